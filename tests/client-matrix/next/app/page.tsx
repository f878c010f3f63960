import { Session } from './session';

// Rendered for each request, on the server.
export const dynamic = 'force-dynamic';

export default function Page() {
  return <Session />;
}
