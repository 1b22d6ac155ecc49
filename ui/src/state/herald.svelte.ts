/** Signals that reach who looks away: a sound of its own per scan, speech, the browser's notice. */

import { pitches } from '../model/sounds';
import { sentence } from '../model/tape';
import type { Alert, Signal } from '../wire';
import type { Gateway } from './gateway.svelte';
import { preferences } from './preferences.svelte';

/** At most one sound in so long (ms); what comes in between stays silent. */
const APART_MS = 400;
const LENGTH_S = 0.22;

export class Herald {
  /** Whether the browser lets this page sound; it asks for a click or key first. */
  unlocked = $state(false);
  #gateway: Gateway;
  #context: AudioContext | null = null;
  #sounded = 0;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  start(): () => void {
    const told = (signal: Signal): void => this.#tell(signal);
    const alarmed = (alert: Alert): void => this.#alarm(alert);
    this.#gateway.heralds.add(told);
    this.#gateway.alarms.add(alarmed);
    return () => {
      this.#gateway.heralds.delete(told);
      this.#gateway.alarms.delete(alarmed);
    };
  }

  /** Open the sound, in answer to a click. */
  async unlock(): Promise<void> {
    this.#context ??= new AudioContext();
    await this.#context.resume();
    this.unlocked = this.#context.state === 'running';
  }

  /** Open the sound where the user wants one: each press on the page may. */
  wake(): void {
    if (!this.unlocked && preferences.now.sounding.length > 0) void this.unlock();
  }

  /** Let the scan's sound be heard once. */
  async test(scan: string): Promise<void> {
    await this.unlock();
    this.#play(scan);
  }

  #tell(signal: Signal): void {
    const { sounding, speaks } = preferences.now;
    if (signal.state !== 'fired' || signal.kind === 'exit' || !sounding.includes(signal.scan)) return;
    if (preferences.has('muted', signal.symbol, this.#gateway.session)) return;
    const now = performance.now();
    if (now - this.#sounded < APART_MS) return;
    this.#sounded = now;
    this.#play(signal.scan);
    if (speaks) speak(signal);
    if (document.hidden) notice(signal);
  }

  #alarm(alert: Alert): void {
    this.#gateway.say(sentence(alert));
    this.#play(alert.sound || alert.rule);
    if (alert.speak) speak(alert);
    if (document.hidden) notice(alert);
  }

  #play(scan: string): void {
    const context = this.#context;
    if (context === null || context.state !== 'running') return;
    const at = context.currentTime;
    const gain = context.createGain();
    gain.gain.setValueAtTime(preferences.now.volume * 0.3, at);
    gain.gain.exponentialRampToValueAtTime(0.0005, at + LENGTH_S);
    gain.connect(context.destination);
    pitches(scan).forEach((hz, place) => {
      const tone = context.createOscillator();
      tone.type = 'triangle';
      tone.frequency.value = hz;
      tone.connect(gain);
      tone.start(at + (place * LENGTH_S) / 3);
      tone.stop(at + LENGTH_S);
    });
  }
}

type Told = Pick<Alert, 'id' | 'symbol' | 'scan' | 'text'>;

function speak(signal: Told): void {
  if (!('speechSynthesis' in globalThis) || speechSynthesis.speaking) return;
  const letters = [...signal.symbol].join(' ');
  speechSynthesis.speak(new SpeechSynthesisUtterance(`${letters}, ${signal.text || signal.scan}`));
}

function notice(signal: Told): void {
  if (!('Notification' in globalThis) || Notification.permission !== 'granted') return;
  new Notification(`${signal.symbol}  ${signal.scan}`, { body: signal.text, tag: signal.id });
}
