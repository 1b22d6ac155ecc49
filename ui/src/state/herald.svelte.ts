/** Signals that reach who looks away: a sound of its own per scan, speech, the browser's notice. */

import { Quiet } from '../model/quiet';
import { pitches } from '../model/sounds';
import { sentence } from '../model/tape';
import type { Alert, Signal } from '../wire';
import type { Gateway } from './gateway.svelte';
import type { Mutes } from './mutes.svelte';
import { preferences } from './preferences.svelte';

const LENGTH_S = 0.22;
const AWAKE_MS = 3_000;
/** Of several windows of this browser the one that holds this lock sounds. */
const LOCK = 'tapelight-sound';

export class Herald {
  /** Whether the browser lets this page sound; it asks for a click or key first. */
  unlocked = $state(false);
  #gateway: Gateway;
  #mutes: Mutes;
  #context: AudioContext | null = null;
  #quiet = new Quiet();
  #sleep: ReturnType<typeof setTimeout> | undefined;
  /** Whether this window, of all that are open, is the one that sounds. */
  #leads = false;
  #ended = new AbortController();

  constructor(gateway: Gateway, mutes: Mutes) {
    this.#gateway = gateway;
    this.#mutes = mutes;
  }

  start(): () => void {
    const told = (signal: Signal): void => this.#tell(signal);
    const alarmed = (alert: Alert): void => this.#alarm(alert);
    this.#gateway.heralds.add(told);
    this.#gateway.alarms.add(alarmed);
    return () => {
      this.#gateway.heralds.delete(told);
      this.#gateway.alarms.delete(alarmed);
      this.#ended.abort();
    };
  }

  /** Open the sound, in answer to a click. */
  async unlock(): Promise<void> {
    const first = this.#context === null;
    this.#context ??= new AudioContext();
    await this.#context.resume();
    this.unlocked = this.#context.state === 'running';
    this.#rest(this.#context);
    if (first) void this.#lead();
  }

  /** Let the machine's sound sleep while nothing is heard: open, it costs power all day. */
  #rest(context: AudioContext): void {
    clearTimeout(this.#sleep);
    this.#sleep = setTimeout(() => void context.suspend(), AWAKE_MS);
  }

  /** Open the sound: each press on the page may. */
  wake(): void {
    if (!this.unlocked) void this.unlock();
  }

  /** Wait until no other window sounds, then be the one until this page ends. */
  async #lead(): Promise<void> {
    // Browsers give locks to pages of this machine or of https alone.
    if (!('locks' in navigator)) {
      this.#leads = true;
      return;
    }
    const { signal } = this.#ended;
    const held = async (): Promise<void> => {
      this.#leads = true;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    try {
      await navigator.locks.request(LOCK, { signal }, held);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** Let the scan's sound be heard once. */
  async test(scan: string): Promise<void> {
    await this.unlock();
    this.#play(scan);
  }

  #tell(signal: Signal): void {
    const { sounding, speaks } = preferences.now;
    if (signal.state !== 'fired' || signal.kind === 'exit' || !sounding.includes(signal.scan)) return;
    if (this.#mutes.has(signal.symbol)) return;
    // A notice is shown once for all windows: its tag is the signal's.
    if (document.hidden) notice(signal);
    this.#sound(signal, signal.scan, speaks);
  }

  #alarm(alert: Alert): void {
    if (alert.symbol !== '' && this.#mutes.has(alert.symbol)) return;
    this.#gateway.say(sentence(alert));
    if (document.hidden) notice(alert);
    // Without a name of a sound it is to be silent: in quiet hours, or by its rule.
    this.#sound(alert, alert.sound, alert.speak);
  }

  #sound(told: Told, sound: string, speaks: boolean): void {
    if (!this.#leads || (sound === '' && !speaks)) return;
    if (!this.#quiet.may(`${told.symbol}/${told.scan}`, performance.now())) return;
    if (sound !== '') this.#play(sound);
    if (speaks) speak(told);
  }

  #play(sound: string): void {
    const context = this.#context;
    if (context === null || !this.unlocked) return;
    void context.resume();
    this.#rest(context);
    const at = context.currentTime;
    const gain = context.createGain();
    gain.gain.setValueAtTime(preferences.now.volume * 0.3, at);
    gain.gain.exponentialRampToValueAtTime(0.0005, at + LENGTH_S);
    gain.connect(context.destination);
    pitches(sound).forEach((hz, place) => {
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
