/** What a person asks of the trader. */

import { ask, told } from '../link/rest';
import type { TraderStatus } from '../wire';
import type { Gateway } from './gateway.svelte';
import type { Travel } from './travel.svelte';

/** How long the keys of the kill switch must be held. */
const HOLD_MS = 1_000;

export class Trading {
  /** True while the keys of the kill switch are held. */
  holding = $state(false);
  /** True while an answer is awaited. */
  busy = $state(false);
  #gateway: Gateway;
  #travel: Travel;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(gateway: Gateway, travel: Travel) {
    this.#gateway = gateway;
    this.#travel = travel;
  }

  get trader(): TraderStatus | undefined {
    return this.#gateway.status?.trader;
  }

  get killed(): boolean {
    return this.trader?.kill.on === true;
  }

  /** Why nothing can be asked now; empty where it can. The kill switch always works. */
  get barred(): string {
    return this.#travel.at === null ? '' : 'Nothing is ordered from the past: press 0 for LIVE.';
  }

  /** Begin to hold the keys: after a second the switch is on. */
  hold(): void {
    if (this.holding) return;
    this.holding = true;
    this.#timer = setTimeout(() => {
      this.holding = false;
      void this.kill('held Ctrl+Alt+K', false);
    }, HOLD_MS);
  }

  letGo(): void {
    clearTimeout(this.#timer);
    this.holding = false;
  }

  /** Block entries and cancel those that work; tell whether it was done. */
  async kill(reason: string, flatten: boolean): Promise<boolean> {
    const done = await this.#post<{ cancels: readonly string[] }>('/api/kill', { reason, flatten });
    if (done !== null) {
      this.#gateway.say(`The kill switch is on: no entry goes, ${done.cancels.length} are cancelled.`);
    }
    return done !== null;
  }

  /** Name the entries that the kill switch would cancel now. */
  async drill(): Promise<readonly string[] | null> {
    const found = await this.#post<{ cancels: readonly string[] }>('/api/kill', { reason: 'drill', drill: true });
    return found?.cancels ?? null;
  }

  async arm(confirm: string): Promise<boolean> {
    const done = await this.#post('/api/kill/arm', { confirm });
    if (done !== null) this.#gateway.say('Entries may go again.');
    return done !== null;
  }

  /** Approve or decline a held order, or close a position; the trader's answer is shown. */
  async decide(what: 'approve' | 'decline' | 'close', subject: string): Promise<void> {
    if (this.barred !== '') {
      this.#gateway.say(this.barred);
      return;
    }
    const place = what === 'close' ? 'positions' : 'approvals';
    const done = await this.#post<{ answer: string }>(`/api/${place}/${encodeURIComponent(subject)}/${what}`, undefined);
    if (done !== null) this.#gateway.say(done.answer);
  }

  async #post<T>(path: string, body: object | undefined): Promise<T | null> {
    this.busy = true;
    try {
      return await ask<T>(path, {}, { method: 'POST', ...(body === undefined ? {} : { body }) });
    } catch (error) {
      this.#gateway.say(told(error));
      return null;
    } finally {
      this.busy = false;
    }
  }
}
