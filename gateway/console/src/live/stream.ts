// `/api/v1/stream`: one EventSource for the page's life. Nothing is sent again by the gateway, so after each connection
// whoever shows a list fetches it anew; `overrun` ends a stream that was read too slowly, which comes to the same.
import { computed, readonly, ref } from 'vue'
import { currentSession } from '../api/session'
import { API } from '../api/http'

export const TOPICS = [
  'alert.raised', 'alert.changed', 'event.opened', 'event.changed', 'mode.changed', 'duty.changed', 'camera.health', 'camera.discovery',
  'camera.connection', 'camera.event', 'room.changed', 'room.said', 'room.speaker', 'room.unsent',
] as const
export type Topic = (typeof TOPICS)[number]

type Heard = (record: unknown, topic: Topic) => void

const PROBE_EVERY_MS = 10_000
const PROBE_LIMIT_MS = 5_000
const AGAIN_MS = 3_000

const listeners = new Map<Topic, Set<Heard>>()
const resyncs = new Set<() => void>()
const state = ref<'closed' | 'connecting' | 'open'>('closed')
const lostSince = ref<number | null>(null)
/** When the line was last known to carry anything. */
let heardAt = 0
let source: EventSource | null = null
let probing: ReturnType<typeof setInterval> | null = null
let again: ReturnType<typeof setTimeout> | null = null

export const streamState = readonly(state)
/** When the connection went, on this machine's clock; null while it stands. */
export const streamLostSince = computed(() => lostSince.value)

/** Hear each change of a topic; answers how to stop. */
export function onTopic(topic: Topic, heard: Heard): () => void {
  const set = listeners.get(topic) ?? new Set<Heard>()
  listeners.set(topic, set.add(heard))
  return () => set.delete(heard)
}

/** Told after every connection: what was shown may have changed unheard, so fetch it anew. */
export function onResync(callback: () => void): () => void {
  resyncs.add(callback)
  return () => resyncs.delete(callback)
}

export function openStream(): void {
  if (probing !== null) return
  probing = setInterval(() => void probe(), PROBE_EVERY_MS)
  addEventListener('offline', lost)
  addEventListener('online', reopen)
  reopen()
}

export function closeStream(): void {
  if (probing !== null) clearInterval(probing)
  probing = null
  removeEventListener('offline', lost)
  removeEventListener('online', reopen)
  drop()
  state.value = 'closed'
  lostSince.value = null
}

function drop(): void {
  if (again !== null) clearTimeout(again)
  again = null
  source?.close()
  source = null
}

function reopen(): void {
  drop()
  state.value = 'connecting'
  const opened = new EventSource(`${API}/stream`)
  source = opened
  opened.onopen = () => {
    state.value = 'open'
    lostSince.value = null
    heardAt = Date.now()
    for (const callback of resyncs) callback()
  }
  opened.onerror = () => {
    lost()
    // The browser tries again by itself (with Last-Event-ID) unless it was refused: signed out, or too many streams.
    if (opened.readyState === EventSource.CLOSED && source === opened) refused()
  }
  for (const topic of TOPICS) opened.addEventListener(topic, (message) => tell(topic, message))
  // After it the gateway closes and the browser connects anew, which fetches everything again.
  opened.addEventListener('overrun', lost)
}

function tell(topic: Topic, message: MessageEvent<string>): void {
  heardAt = Date.now()
  let record: unknown
  try {
    record = JSON.parse(message.data)
  } catch {
    return
  }
  for (const heard of listeners.get(topic) ?? []) heard(record, topic)
}

function lost(): void {
  state.value = 'connecting'
  lostSince.value ??= Date.now()
}

function refused(): void {
  drop()
  // Says so where the session has ended, which shows the sign-in page and closes the stream.
  void currentSession().catch(() => undefined)
  again = setTimeout(reopen, AGAIN_MS)
}

/** A dead line raises no error by itself for minutes, and the gateway's pings are not shown to a page. */
async function probe(): Promise<void> {
  if (state.value !== 'open' || Date.now() - heardAt < PROBE_EVERY_MS) return
  const before = source
  try {
    await currentSession(AbortSignal.timeout(PROBE_LIMIT_MS))
    heardAt = Date.now()
  } catch {
    if (source !== before || probing === null) return
    lost()
    reopen()
  }
}
