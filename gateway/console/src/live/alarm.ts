// A new alert is heard and seen: a short tone by hazard, and the page's title flashes until somebody looks.
// The tone is made here, so that no file has to be fetched.
import { readonly, ref } from 'vue'

const KEPT = 'gateway.alarm_muted'
const FLASH_MS = 900
const SPACE_MS = 1500
const muted = ref(localStorage.getItem(KEPT) === 'yes')
const blocked = ref(false)
export const alarmMuted = readonly(muted)
/** The browser lets no page sound before somebody has clicked or typed on it. */
export const alarmBlocked = readonly(blocked)

let sound: AudioContext | null = null
let flashing: ReturnType<typeof setInterval> | null = null
let title = ''
let soundedAt = 0

export function setAlarmMuted(quiet: boolean): void {
  muted.value = quiet
  localStorage.setItem(KEPT, quiet ? 'yes' : 'no')
  if (!quiet) void tone([660], 0.08)
}

/** Pitches by hazard: fire is told from the others without a look at the screen. */
function pitches(hazard: string): number[] {
  if (hazard === 'fire') return [880, 660, 880, 660, 880]
  return hazard === 'crowd' ? [620, 780] : [520]
}

export function alarm(hazard: string, words: string, nowMs: number = Date.now()): void {
  // Many at once are one tone, but a fire is never drowned by what came just before it.
  if (!muted.value && (hazard === 'fire' || nowMs - soundedAt > SPACE_MS)) {
    soundedAt = nowMs
    void tone(pitches(hazard), 0.16)
  }
  flash(words)
}

async function tone(frequencies: readonly number[], seconds: number): Promise<void> {
  try {
    sound ??= new AudioContext()
    if (sound.state !== 'running') await Promise.race([sound.resume(), new Promise((done) => setTimeout(done, 300))])
    blocked.value = sound.state !== 'running'
    if (blocked.value) return
    const volume = new GainNode(sound, { gain: 0.12 })
    volume.connect(sound.destination)
    frequencies.forEach((frequency, index) => {
      const from = (sound?.currentTime ?? 0) + 0.02 + index * seconds
      const voice = new OscillatorNode(sound as AudioContext, { type: 'triangle', frequency })
      voice.connect(volume)
      voice.start(from)
      voice.stop(from + seconds * 0.85)
    })
  } catch {
    blocked.value = true
  }
}

function flash(words: string): void {
  if (document.hasFocus() && !document.hidden) return
  if (flashing !== null) clearInterval(flashing)
  else title = document.title
  let on = false
  flashing = setInterval(() => {
    on = !on
    document.title = on ? words : title
  }, FLASH_MS)
  addEventListener('focus', calm, { once: true })
}

/** Somebody is looking, or has gone. */
export function calm(): void {
  removeEventListener('focus', calm)
  if (flashing === null) return
  clearInterval(flashing)
  flashing = null
  document.title = title
}
