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

/** A password is reckoned with on purpose slowly, and a busy machine is slower (ms). */
const PASSWORD_MS = 60_000;

export class Account {
  /** Null until the gateway has said who asks. */
  me = $state.raw<Me | null>(null);
  fault = $state('');
  /** Whether somebody was let in and is so no more: the session expired, or was ended elsewhere. */
  ended = $state(false);

  /** Whether the gateway shows nothing before a log-in. */
  get shut(): boolean {
    return this.me !== null && this.me.role === 'nobody';
  }

  /** Ask who one is; a gateway that knows no users lets everybody read. */
  async load(): Promise<void> {
    try {
      this.#take(await ask<Me>('/api/me'));
      this.fault = '';
    } catch (error) {
      this.fault = told(error);
    }
  }

  /** Ask again, as the gateway closed the connection: the session may be over. */
  async reload(): Promise<void> {
    const open = !this.shut;
    await this.load();
    if (open && this.shut) this.ended = true;
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
      this.#take(await ask<Me>(path, {}, { method: 'POST', body, limitMs: PASSWORD_MS }));
      this.ended = false;
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
