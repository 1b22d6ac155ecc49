/** Questions that are asked again and again while a panel is open. */

import { untrack } from 'svelte';

import { told } from '../link/rest';
import type { Desk } from './desk.svelte';

export class Asked<T> {
  value = $state.raw<T | null>(null);
  /** What the gateway said instead; empty while it answers. */
  fault = $state('');
  /** True until the first answer or refusal. */
  waiting = $state(true);
  /** Whether `value` is of another time than the page shows, or could not be asked again. */
  old = $state(false);

  /** Return what stands where there is no row: `nothing`, if only that is known. */
  none(nothing: string): string {
    return this.waiting ? 'Waiting for the answer.' : this.value === null && this.fault !== '' ? '' : nothing;
  }
}

/**
 * Ask again `everyMs` after each answer; call it while a component is made.
 *
 * `question` returns what to ask, or null for nothing; what it reads is followed, so that a change
 * asks at once and forgets the answer to the question before. `at` is the past second that the page shows, undefined for now. A hidden page asks
 * nothing; a past second is asked once, when its turn comes. What is `present` is asked without a
 * time, and again and again also while the page shows the past.
 */
export function repeat<T>(
  desk: Desk,
  everyMs: number,
  question: () => ((at: string | undefined, signal: AbortSignal) => Promise<T>) | null,
  present = false,
): Asked<T> {
  const asked = new Asked<T>();
  const wanted = $derived(question());
  // One symbol's answer must not stand under another's name, not for a moment.
  $effect(() => {
    const waits = wanted !== null;
    untrack(() => forget(asked, waits));
  });
  let was: string | undefined;
  $effect(() => {
    const ask = wanted;
    const at = present ? undefined : momentOf(desk);
    // An answer of the present is none of the past's; that of another past second stands, marked as old.
    if (was === undefined && at !== undefined) forget(asked, ask !== null);
    was = at;
    if (ask === null) return undefined;
    untrack(() => (asked.old = asked.value !== null && !desk.travel.playing));
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async (): Promise<void> => {
      const question = (): Promise<T> => ask(at, gone.signal);
      const turned = (): Promise<T> => desk.travel.queue.ask(question, () => gone.signal.aborted);
      if (!document.hidden) await once(asked, at === undefined ? question : turned, gone.signal, at !== undefined);
      if (at === undefined && !gone.signal.aborted) timer = setTimeout(() => void round(), everyMs);
    };
    void round();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  });
  return asked;
}

function forget(asked: Asked<unknown>, waits: boolean): void {
  asked.waiting = waits;
  asked.value = null;
  asked.fault = '';
}

/** Return the past second that the page shows, undefined for now; what reads it follows it. */
function momentOf(desk: Desk): string | undefined {
  const { at, shown } = desk.travel;
  return at === null ? undefined : new Date(shown ?? at).toISOString();
}

async function once<T>(asked: Asked<T>, ask: () => Promise<T>, signal: AbortSignal, past: boolean): Promise<void> {
  try {
    const value = await ask();
    if (signal.aborted) return;
    asked.value = value;
    asked.fault = '';
    asked.old = false;
  } catch (error) {
    if (signal.aborted) return;
    asked.fault = told(error);
    // What stands there is of another second, or grows old.
    if (past) asked.value = null;
    asked.old = asked.value !== null;
  }
  asked.waiting = false;
}
