import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App';
import { BffClient, type BffConfig } from './bff';
import { takeLoginAnswer } from './location';
import './style.css';

async function start(): Promise<void> {
  // First of all, before anything is awaited: an authorization code must not stay in the address bar or history.
  const pageUrl = takeLoginAnswer();
  const root = createRoot(document.getElementById('root') as HTMLElement);
  try {
    const response = await fetch('/config.json', { cache: 'no-cache' });
    const client = new BffClient((await response.json()) as BffConfig);
    root.render(
      <StrictMode>
        <App client={client} pageUrl={pageUrl} />
      </StrictMode>,
    );
  } catch {
    root.render(<p id="error" role="alert">The application's configuration cannot be read.</p>);
  }
}

void start();
