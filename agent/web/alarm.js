// A sound and a system notification, which browsers allow only after a click.
import { WORDS } from "./words.js";

const TONES = [660, 880]; // Hz
const SECONDS = 0.18; // of a tone
const LOUD = 0.2;

let audio = null; // null: no click yet

function tones() {
  TONES.forEach((frequency, place) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const begin = audio.currentTime + place * SECONDS;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(LOUD, begin);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + SECONDS);
    tone.connect(volume).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + SECONDS);
  });
}

// To be called while a click or a key press is handled.
export async function wake() {
  if (!window.AudioContext) return;
  audio ??= new AudioContext();
  await audio.resume().catch(() => null);
}

export function ring() {
  if (audio?.state === "running") tones();
}

// Not available over plain HTTP.
export const isNoticeable = () => window.isSecureContext && "Notification" in window;

// "granted", "denied", "default": not asked yet; null: there are none. Kept, for the browser asks another process of
// its own.
let permitted = null;
const look = () => (permitted = isNoticeable() ? Notification.permission : null);
look();
navigator.permissions?.query({ name: "notifications" }).then((status) => (status.onchange = look), () => null);
export const permission = () => permitted;

export const askPermission = () =>
  permission() === "default" ? Notification.requestPermission().catch(() => null).finally(look) : null;

// One at a time: a new one replaces the previous one.
export function notify(text) {
  if (permission() !== "granted") return;
  try {
    const notice = new Notification(WORDS.noticeTitle, { body: text, tag: "agent", requireInteraction: true });
    notice.onclick = () => window.focus();
  } catch {
    // On a phone only a service worker may notify; the banner is shown anyway.
  }
}
