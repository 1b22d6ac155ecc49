import { describe, expect, it, vi } from 'vitest';

import { PastQueue } from '../src/link/queue';
import { Problem } from '../src/link/rest';

const never = (): boolean => false;

/** A question whose answer is given by hand. */
function held(): { ask: () => Promise<string>; asked: () => number; answer: (text: string) => void } {
  let count = 0;
  let give: (text: string) => void = () => undefined;
  return {
    ask: () => {
      count += 1;
      return new Promise<string>((resolve) => (give = resolve));
    },
    asked: () => count,
    answer: (text) => give(text),
  };
}

describe('questions about the past', () => {
  it('are asked two at a time, in order', async () => {
    const queue = new PastQueue();
    const questions = [held(), held(), held(), held()];
    const answers = questions.map((each) => queue.ask(each.ask, never));
    const asked = (): number[] => questions.map((each) => each.asked());
    await vi.waitFor(() => expect(asked()).toEqual([1, 1, 0, 0]));
    questions[1]?.answer('b');
    expect(await answers[1]).toBe('b');
    await vi.waitFor(() => expect(asked()).toEqual([1, 1, 1, 0]));
    questions[0]?.answer('a');
    questions[2]?.answer('c');
    await vi.waitFor(() => expect(asked()).toEqual([1, 1, 1, 1]));
    questions[3]?.answer('d');
    expect(await Promise.all(answers)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are asked again while the gateway is busy, ever later', async () => {
    const pauses: number[] = [];
    const queue = new PastQueue(async (ms) => void pauses.push(ms));
    let count = 0;
    const busy = async (): Promise<string> => {
      count += 1;
      if (count < 4) throw new Problem(count === 2 ? 504 : 503, 'Ask again.');
      return 'now';
    };
    expect(await queue.ask(busy, never)).toBe('now');
    expect(pauses).toEqual([500, 1_000, 2_000]);
  });

  it('give up in the end, and at once on any other refusal', async () => {
    const queue = new PastQueue(async () => undefined);
    let count = 0;
    const refuse = (status: number) => async (): Promise<string> => {
      count += 1;
      throw new Problem(status, 'No.');
    };
    await expect(queue.ask(refuse(503), never)).rejects.toThrow('No.');
    expect(count).toBe(6);
    count = 0;
    await expect(queue.ask(refuse(404), never)).rejects.toThrow('No.');
    expect(count).toBe(1);
  });

  it('are not asked for who is gone, and let the next one in', async () => {
    const queue = new PastQueue();
    let count = 0;
    const counted = async (): Promise<string> => {
      count += 1;
      return 'x';
    };
    await expect(queue.ask(counted, () => true)).rejects.toThrow('Given up.');
    expect(count).toBe(0);
    expect(await queue.ask(counted, never)).toBe('x');
  });
});
