/** Who uses the page: logging in and out, the first set-up. */

import { ask, prove, told } from '../link/rest';

export interface Me {
  readonly name: string;
  readonly role: string;
  readonly via: string;
  readonly csrf: string;
  readonly accounts: boolean;
  /** No account is there yet, and one may be made from here. */
  readonly setup: boolean;
  /** Where to sign in with a provider's account; empty where there is none. */
  readonly sign_in?: string;
}

export class Account {
  /** Null until the gateway has said who asks. */
  me = $state.raw<Me | null>(null);
  fault = $state('');

  /** Whether the gateway shows nothing before a log-in. */
  get shut(): boolean {
    return this.me !== null && this.me.role === 'nobody';
  }

  /** Ask who one is; a gateway that knows no users lets everybody read. */
  async load(): Promise<void> {
    try {
      this.#take(await ask<Me>('/api/me'));
    } catch (error) {
      this.fault = told(error);
    }
  }

  async logIn(name: string, password: string): Promise<boolean> {
    return this.#post('/api/login', { name, password });
  }

  async setUp(name: string, password: string, code: string): Promise<boolean> {
    return this.#post('/api/setup', { name, password, code });
  }

  async logOut(): Promise<void> {
    await this.#post('/api/logout', {});
    location.reload();
  }

  async #post(path: string, body: object): Promise<boolean> {
    this.fault = '';
    try {
      this.#take(await ask<Me>(path, {}, { method: 'POST', body }));
      return true;
    } catch (error) {
      this.fault = told(error);
      return false;
    }
  }

  #take(me: Me): void {
    this.me = me;
    prove(me.csrf);
  }
}
