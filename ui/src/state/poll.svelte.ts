/** Questions that are asked again and again while a panel is open. */

import { told } from '../link/rest';
import type { Desk } from './desk.svelte';

export class Asked<T> {
  value = $state.raw<T | null>(null);
  /** What the gateway said instead; empty while it answers. */
  fault = $state('');
  /** True until the first answer or refusal. */
  waiting = $state(true);
}

/**
 * Ask again `everyMs` after each answer; call it while a component is made.
 *
 * `question` returns what to ask, or null for nothing; what it reads is followed, so that a change
 * asks at once. `at` is the past second that the page shows, undefined for now. A hidden page asks
 * nothing; a past second is asked once, when its turn comes.
 */
export function repeat<T>(
  desk: Desk,
  everyMs: number,
  question: () => ((at: string | undefined, signal: AbortSignal) => Promise<T>) | null,
): Asked<T> {
  const asked = new Asked<T>();
  $effect(() => {
    const ask = question();
    const { shown } = desk.travel;
    const at = desk.travel.at === null ? undefined : new Date(shown ?? desk.travel.at).toISOString();
    if (ask === null) {
      asked.value = null;
      asked.waiting = false;
      return undefined;
    }
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async (): Promise<void> => {
      const question = (): Promise<T> => ask(at, gone.signal);
      const turned = (): Promise<T> => desk.travel.queue.ask(question, () => gone.signal.aborted);
      if (!document.hidden) await once(asked, at === undefined ? question : turned, gone.signal);
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

async function once<T>(asked: Asked<T>, ask: () => Promise<T>, signal: AbortSignal): Promise<void> {
  try {
    const value = await ask();
    if (signal.aborted) return;
    asked.value = value;
    asked.fault = '';
  } catch (error) {
    if (signal.aborted) return;
    asked.fault = told(error);
  }
  asked.waiting = false;
}
