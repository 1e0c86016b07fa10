// A <video> that watches by WHEP for as long as its component stands, and knows whether what it shows is live.
import { onBeforeUnmount, onMounted, readonly, ref, shallowRef, watch as whenever, type Ref } from 'vue'
import type { Problem } from '../api/problem'
import { Freshness } from './freshness'
import type { Line, Phase } from './line'
import type { Note } from './note'
import { bytesReceived, watch } from './whep'

const LOOK_EVERY_MS = 500
const RTP_CLOCK = 90_000
const GESTURES = ['pointerup', 'keydown'] as const

export interface PlayerUse {
  video: Ref<HTMLVideoElement | null>
  path: () => string
  /** Ask for sound too, and play it aloud. */
  sound: boolean
  /** Begin in silence: only who wants to hear it does. */
  quiet: boolean
  /** A stream without pictures is in order as long as anything comes: a person may send sound only. */
  picturesOptional: boolean
  /** The gateway does not send this picture now: it is not to be asked for again and again. */
  unsent: () => boolean
}

export function usePlayer(use: PlayerUse) {
  const phase = ref<Phase>('connecting')
  const problem = shallowRef<Problem | null>(null)
  const started = ref(false)
  /** Whole seconds without a new picture where the one shown is old. */
  const staleSeconds = ref<number | null>(null)
  /** Something comes, but no picture. */
  const soundOnly = ref(false)
  /** The browser wants a click before it plays aloud. */
  const blocked = ref(false)
  /** What the gateway says of the picture. */
  const note = shallowRef<Note | null>(null)
  /** There is sound to be heard. */
  const audible = ref(false)
  const silent = ref(!use.sound || use.quiet)
  let line: Line | null = null
  let fresh = new Freshness(performance.now())
  let looking: ReturnType<typeof setInterval> | undefined
  let callback = 0
  let bytes = -1
  /** Whether this browser tells the RTP timestamps of pictures. */
  let stamped = false

  function counted(video: HTMLVideoElement): void {
    callback = video.requestVideoFrameCallback((_, picture) => {
      seen(picture)
      counted(video)
    })
  }

  function seen(picture: VideoFrameCallbackMetadata): void {
    const now = performance.now()
    stamped ||= picture.rtpTimestamp !== undefined
    // The black picture of a connection that was closed came over no network.
    if (stamped && picture.rtpTimestamp === undefined) return
    fresh.picture(now, picture.rtpTimestamp ?? Math.round(picture.mediaTime * RTP_CLOCK))
    soundOnly.value = false
    if (fresh.confirmed) line?.proven()
    judge(now)
  }

  function open(): void {
    line?.close()
    fresh = new Freshness(performance.now())
    started.value = false
    staleSeconds.value = null
    note.value = null
    audible.value = false
    line = watch(use.path(), use.sound, {
      streamed(stream) {
        bytes = -1
        fresh.begun(performance.now())
        if (use.video.value) use.video.value.srcObject = stream
        void play()
      },
      changed(now, why) {
        phase.value = now
        if (now === 'open') fresh.connected(performance.now())
        if (now === 'open' || why !== null) problem.value = why
      },
      noted: (said) => (note.value = said),
      heard: () => (audible.value = true),
    })
  }

  /** Where the browser refuses to play aloud, the picture is shown without sound until a person does something. */
  async function play(): Promise<void> {
    const video = use.video.value
    if (!video || video.srcObject === null) return
    video.muted = silent.value
    try {
      await video.play()
      aloud()
    } catch (error) {
      if (silent.value || !(error instanceof DOMException) || error.name !== 'NotAllowedError') return
      video.muted = true
      blocked.value = true
      for (const gesture of GESTURES) document.addEventListener(gesture, play)
      await video.play().catch(() => undefined)
    }
  }

  /** Sound on or off; a click, so the browser lets it be aloud. */
  function hear(on: boolean): void {
    silent.value = !on
    if (use.video.value) use.video.value.muted = !on
  }

  function aloud(): void {
    blocked.value = false
    for (const gesture of GESTURES) document.removeEventListener(gesture, play)
  }

  function judge(now: number): void {
    started.value = fresh.started
    const stale = fresh.staleFor(now)
    staleSeconds.value = stale === null ? null : Math.floor(stale / 1000)
  }

  async function look(): Promise<void> {
    const now = performance.now()
    if (document.hidden) fresh.unseen(now)
    judge(now)
    if (phase.value !== 'open' || use.unsent() || !fresh.fruitless(now)) return
    if (use.picturesOptional && (await anythingCame())) {
      soundOnly.value = true
      line?.proven()
      return
    }
    soundOnly.value = false
    line?.broken()
  }

  async function anythingCame(): Promise<boolean> {
    const peer = line?.current
    if (!peer) return false
    const found = await bytesReceived(peer).catch(() => 0)
    const more = found > bytes
    bytes = found
    return more
  }

  onMounted(() => {
    if (use.video.value) counted(use.video.value)
    open()
    looking = setInterval(() => void look(), LOOK_EVERY_MS)
  })
  whenever(use.path, open)
  onBeforeUnmount(() => {
    clearInterval(looking)
    aloud()
    use.video.value?.cancelVideoFrameCallback(callback)
    line?.close()
    line = null
    if (use.video.value) use.video.value.srcObject = null
  })

  return {
    phase: readonly(phase), problem, started: readonly(started), staleSeconds: readonly(staleSeconds),
    soundOnly: readonly(soundOnly), blocked: readonly(blocked), note,
    audible: readonly(audible), silent: readonly(silent), hear, play, again: () => line?.renew(),
  }
}
