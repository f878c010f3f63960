// Calls that return JSON, and throw the error of an error response.

import { type BffClient, BffError } from 'bff-envoy-client';

/** The page's configuration, from the web host. */
export interface Config {
  /** The URL of the service, such as `https://api.example.com/bff`. */
  bffBaseUrl: string;
  /** The URL of the API, such as `https://api.example.com/api`. */
  apiBaseUrl: string;
  /** As in the BFF's configuration: it is part of the CSRF header's name. */
  cookieNamePrefix: string;
  /** Whether the program that runs the demo takes the page's commands. */
  takesCommands: boolean;
}

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The calls that the page's buttons make. */
export class Api {
  constructor(
    readonly client: BffClient,
    readonly config: Config,
  ) {}

  /** Claims about the user. */
  userInfo(): Promise<Json> {
    return this.#json(`${this.config.bffBaseUrl}/userInfo`);
  }

  /** The ID token's claims. */
  claims(): Promise<Json> {
    return this.#json(`${this.config.bffBaseUrl}/claims`);
  }

  /** Data of the business API. */
  data(): Promise<Json> {
    return this.#json(`${this.config.apiBaseUrl}/data`);
  }

  /** Changes data of the business API. */
  postData(body: Json): Promise<Json> {
    return this.#json(`${this.config.apiBaseUrl}/data`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  /** Whether the browser connects to the API's host at all. Until the user trusts the host's certificate, it does not. */
  async isReachable(): Promise<boolean> {
    // Any response counts, such as HTTP 401 of the filter.
    return fetch(`${this.config.apiBaseUrl}/data`).then(
      () => true,
      () => false,
    );
  }

  async #json(url: string, init?: RequestInit): Promise<Json> {
    const response = await this.client.fetch(url, init);
    if (response.status === 401 && this.client.current.ended !== undefined) {
      throw new BffError(401, 'session_expired', 'Your session has ended. Sign in again.');
    }
    const json = (await response.json().catch(() => null)) as Json;
    if (response.ok) return json;
    const { code, message } = isObject(json) ? json : {};
    throw new BffError(
      response.status,
      typeof code === 'string' ? code : 'error',
      typeof message === 'string' ? message : `The server responded with HTTP ${response.status}.`,
    );
  }
}

/** Whether a JSON value is an object. */
export function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
