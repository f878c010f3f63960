import { BffClient, takePageUrl } from 'bff-envoy-client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { Api, type Config } from './api';
import { App } from './App';
import { RequestRecorder } from './requests';
import './style.css';

// The redirect URI is the root, so the URL of any other path stays as it is.
const REDIRECT_PATH = '/';

async function start(): Promise<void> {
  // Before anything is awaited: an authorization code must not stay in the address bar or in the history.
  const pageUrl = takePageUrl(REDIRECT_PATH);
  const root = createRoot(document.getElementById('root') as HTMLElement);
  try {
    const response = await fetch('/config.json', { cache: 'no-cache' });
    const config = (await response.json()) as Config;
    const recorder = new RequestRecorder();
    recorder.start([config.bffBaseUrl, config.apiBaseUrl]);
    const client = new BffClient({
      bffUrl: config.bffBaseUrl,
      apiOrigins: [config.apiBaseUrl],
      cookieNamePrefix: config.cookieNamePrefix,
      redirectPath: REDIRECT_PATH,
    });
    root.render(
      <StrictMode>
        <App api={new Api(client, config)} pageUrl={pageUrl} recorder={recorder} />
      </StrictMode>,
    );
  } catch {
    root.render(<p id="error" role="alert">The application's configuration (/config.json) could not be loaded. Reload the page.</p>);
  }
}

void start();
