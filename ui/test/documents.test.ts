import { afterEach, describe, expect, it, vi } from 'vitest';

import { changeDocument, type Doc } from '../src/link/documents';
import { Watchlist } from '../src/state/watchlist.svelte';

interface List {
  readonly symbols: readonly string[];
}
type Asked = readonly [method: string, path: string, ifMatch: string | null, body: unknown];

/** A gateway that keeps one user's watchlists, as the real one does. */
class Keeper {
  kept = new Map<string, Doc<List>>();
  asked: Asked[] = [];
  failing = 0;

  put(name: string, symbols: readonly string[], shared = false): void {
    const version = (this.kept.get(name)?.version ?? 0) + 1;
    this.kept.set(name, { name, version, shared, mine: true, body: { symbols } });
  }

  fetch = async (url: string | URL | Request, wish: RequestInit = {}): Promise<Response> => {
    const path = String(url);
    const name = decodeURIComponent(path.split('/')[3] ?? '');
    const tag = new Headers(wish.headers).get('if-match');
    const body = wish.body == null ? null : JSON.parse(String(wish.body));
    this.asked.push([wish.method ?? 'GET', path, tag, body]);
    if (this.failing > 0) {
      this.failing -= 1;
      return answer(503, { detail: 'Busy.' });
    }
    const doc = this.kept.get(name);
    if (wish.method === 'PUT') {
      if ((tag ?? '') !== (doc === undefined ? '' : `"${doc.version}"`)) return answer(412, { detail: 'Changed.' });
      this.put(name, body.symbols, body.shared);
      return answer(200, this.kept.get(name));
    }
    if (name === '') return answer(200, [...this.kept.values()]);
    return doc === undefined ? answer(404, { detail: 'None.' }) : answer(200, doc);
  };
}

function answer(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

function keeper(): Keeper {
  const made = new Keeper();
  vi.stubGlobal('fetch', made.fetch);
  return made;
}

afterEach(() => vi.unstubAllGlobals());

describe('a kept document', () => {
  it('is written over what was read, and made where there is none', async () => {
    const gateway = keeper();
    await changeDocument<List>('watchlists', 'Main', (list) => ({ symbols: [...(list?.symbols ?? []), 'A'] }));
    await changeDocument<List>('watchlists', 'Main', (list) => ({ symbols: [...(list?.symbols ?? []), 'B'] }));
    expect(gateway.kept.get('Main')?.body.symbols).toEqual(['A', 'B']);
    expect(gateway.asked.filter(([method]) => method === 'PUT').map(([, , tag]) => tag)).toEqual([null, '"1"']);
  });

  it('is changed anew on what another has written meanwhile, and stays shared', async () => {
    const gateway = keeper();
    gateway.put('Main', ['A'], true);
    const known = gateway.kept.get('Main');
    gateway.put('Main', ['A', 'X'], true);
    await changeDocument<List>('watchlists', 'Main', (list) => ({ symbols: [...(list?.symbols ?? []), 'B'] }), known);
    expect(gateway.kept.get('Main')).toMatchObject({ shared: true, body: { symbols: ['A', 'X', 'B'] } });
  });
});

describe('watchlists', () => {
  it('are not taken for empty where they could not be read', async () => {
    const gateway = keeper();
    gateway.put('Main', ['A', 'B', 'C']);
    const said: string[] = [];
    const list = new Watchlist((text) => said.push(text));
    gateway.failing = 2;
    await list.load();
    expect(list.loaded).toBe(false);
    expect(list.fault).toBe('Busy.');
    await list.toggle('D');
    expect(said).toEqual(["Watchlist: nothing was changed, for the list can't be read. Busy."]);
    expect(gateway.kept.get('Main')?.body.symbols).toEqual(['A', 'B', 'C']);
    await list.toggle('D');
    expect(gateway.kept.get('Main')?.body.symbols).toEqual(['A', 'B', 'C', 'D']);
  });

  it('keep what two windows put there', async () => {
    const gateway = keeper();
    gateway.put('Main', ['A']);
    const [one, two] = [new Watchlist(() => undefined), new Watchlist(() => undefined)];
    await Promise.all([one.load(), two.load()]);
    await one.toggle('B');
    await two.toggle('C');
    expect(two.symbols('Main')).toEqual(['A', 'B', 'C']);
    await one.toggle('A');
    expect(gateway.kept.get('Main')?.body.symbols).toEqual(['B', 'C']);
  });

  it('may have any name', async () => {
    keeper();
    const list = new Watchlist(() => undefined);
    await list.load();
    expect(list.symbols('constructor')).toEqual([]);
    await list.change('__proto__', (now) => [...now, 'A', 'A']);
    expect(list.symbols('__proto__')).toEqual(['A']);
    expect(list.names).toEqual(['Main', '__proto__']);
  });
});
