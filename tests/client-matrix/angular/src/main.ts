import { Component, provideZonelessChangeDetection, signal } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import { BffClient } from 'bff-envoy-client';
import { injectBff, injectSession, provideBff } from 'bff-envoy-client/angular';

interface Claims {
  given_name?: string;
}

@Component({
  selector: 'app-root',
  template: `
    @if (session().isLoading) {
      <p>Loading…</p>
    } @else if (session().isLoggedIn) {
      <p id="user">{{ session().claims?.given_name }}</p>
      <button id="load" (click)="load()">Load</button>
      <button id="signOut" (click)="bff.logout()">Sign out</button>
      <pre id="data">{{ data() }}</pre>
    } @else {
      <button id="signIn" (click)="bff.login()">Sign in</button>
    }
  `,
})
class App {
  readonly bff = injectBff<Claims>();
  readonly session = injectSession<Claims>();
  readonly data = signal('');

  async load(): Promise<void> {
    this.data.set(await (await this.bff.fetch('/api/data')).text());
  }
}

void bootstrapApplication(App, {
  providers: [provideZonelessChangeDetection(), provideBff(new BffClient<Claims>({ bffUrl: '/bff' }))],
});
