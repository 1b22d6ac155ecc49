import { afterEach, expect, it, vi } from 'vitest';

import { ScanEditor } from '../src/state/scaneditor.svelte';

afterEach(() => vi.unstubAllGlobals());

it('tells that it saves while the answer is awaited, not what was said before', async () => {
  const answers: ((answer: Response) => void)[] = [];
  vi.stubGlobal('fetch', () => new Promise<Response>((answer) => answers.push(answer)));
  const editor = new ScanEditor();
  await editor.save();
  expect([editor.said.startsWith('Give the scan a name'), editor.failed]).toEqual([true, true]);
  editor.name = 'mine';
  const saved = editor.save();
  expect([editor.said, editor.failed]).toEqual(['Saving …', false]);
  answers[0]?.(Response.json({ detail: 'The scan was changed elsewhere.' }, { status: 412 }));
  await saved;
  expect([editor.said, editor.failed]).toEqual(['The scan was changed elsewhere.', true]);
});
