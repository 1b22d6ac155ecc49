/** Muted symbols: the gateway keeps them, for every browser and channel of the user. */

import { ask, told } from '../link/rest';
import { minutesToClose } from '../model/clock';
import type { Gateway } from './gateway.svelte';
import { preferences } from './preferences.svelte';

interface Mute {
  readonly name: string;
  readonly until_ns: number;
}

/** What another browser mutes is heard of within so long (ms). */
const EVERY_MS = 30_000;

export class Mutes {
  /** The symbols that the gateway keeps as muted now. */
  #kept = $state.raw<ReadonlySet<string>>(new Set());
  #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** Follow what other windows and browsers mute until the returned function is called. */
  follow(): () => void {
    const timer = setInterval(() => void this.load(), EVERY_MS);
    const back = (): void => void this.load();
    addEventListener('focus', back);
    return () => {
      clearInterval(timer);
      removeEventListener('focus', back);
    };
  }

  /** Read what is muted; who has no account, or a gateway without users, keeps nothing. */
  async load(): Promise<void> {
    if (this.#gateway.user === '' || this.#gateway.link.phase !== 'live') return;
    try {
      this.#kept = new Set((await ask<readonly Mute[]>('/api/mutes')).map(({ name }) => name));
    } catch (error) {
      told(error); // What is known stays: the next reading comes by itself.
    }
  }

  /** The muted symbols. */
  get symbols(): readonly string[] {
    const here = Object.keys(preferences.now.muted).filter((symbol) => this.#here(symbol));
    return [...new Set([...this.#kept, ...here])].sort();
  }

  has(symbol: string): boolean {
    return this.#kept.has(symbol) || this.#here(symbol);
  }

  #here(symbol: string): boolean {
    return preferences.has('muted', symbol, this.#gateway.session);
  }

  /** Mute `symbol` to the end of the session, or let it be heard again; tell which. */
  async toggle(symbol: string): Promise<void> {
    const on = !this.has(symbol);
    if (this.#here(symbol)) preferences.toggle('muted', symbol, this.#gateway.session);
    const fault = await this.#write(symbol, on);
    if (fault === '') {
      this.#gateway.say(`${symbol} is ${on ? 'muted today' : 'heard again'}.`);
      return;
    }
    if (on) preferences.toggle('muted', symbol, this.#gateway.session);
    const alone = this.#gateway.user === '' ? '' : ` On this page alone: ${fault}`;
    this.#gateway.say(`${symbol} is ${on ? 'muted today' : 'heard again'}.${alone}`);
  }

  /** Have the gateway keep it; return why it does not. */
  async #write(symbol: string, on: boolean): Promise<string> {
    if (this.#gateway.user === '') return 'nobody is logged in.';
    const minutes = on ? minutesToClose(this.#gateway.time ?? Date.now()) : 0;
    try {
      await ask(`/api/mutes/${encodeURIComponent(symbol)}`, {}, { method: 'PUT', body: { minutes } });
      const kept = new Set(this.#kept);
      if (on) kept.add(symbol);
      else kept.delete(symbol);
      this.#kept = kept;
      return '';
    } catch (error) {
      return told(error);
    }
  }
}
