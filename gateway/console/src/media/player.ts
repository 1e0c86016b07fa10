// A <video> that watches by WHEP for as long as its component stands, and knows whether what it shows is live.
import { onBeforeUnmount, onMounted, readonly, ref, shallowRef, watch as whenever, type Ref } from 'vue'
import type { Problem } from '../api/problem'
import { Freshness } from './freshness'
import type { Line, Phase } from './line'
import { bytesReceived, watch } from './whep'

const LOOK_EVERY_MS = 500

export interface PlayerUse {
  video: Ref<HTMLVideoElement | null>
  path: () => string
  /** Ask for sound too, and play it aloud. */
  sound: boolean
  /** A stream without pictures is in order as long as anything comes: a person may send sound only. */
  picturesOptional: boolean
}

export function usePlayer(use: PlayerUse) {
  const phase = ref<Phase>('connecting')
  const problem = shallowRef<Problem | null>(null)
  const started = ref(false)
  /** Whole seconds without a new picture where the one shown is old. */
  const staleSeconds = ref<number | null>(null)
  /** The browser wants a click before it plays aloud. */
  const blocked = ref(false)
  let line: Line | null = null
  let fresh = new Freshness(performance.now())
  let looking: ReturnType<typeof setInterval> | undefined
  let callback = 0
  let bytes = -1

  function counted(video: HTMLVideoElement): void {
    callback = video.requestVideoFrameCallback(() => {
      fresh.picture(performance.now())
      line?.proven()
      counted(video)
    })
  }

  function open(): void {
    line?.close()
    fresh = new Freshness(performance.now())
    started.value = false
    staleSeconds.value = null
    line = watch(use.path(), use.sound, {
      streamed(stream) {
        bytes = -1
        fresh.begun(performance.now())
        if (use.video.value) use.video.value.srcObject = stream
        void play()
      },
      changed(now, why) {
        phase.value = now
        if (now === 'open') fresh.begun(performance.now())
        if (now === 'open' || why !== null) problem.value = why
      },
    })
  }

  /** Must be called again from a person's click where it was refused. */
  async function play(): Promise<void> {
    const video = use.video.value
    if (!video || video.srcObject === null) return
    try {
      await video.play()
      blocked.value = false
    } catch (error) {
      if (error instanceof DOMException && error.name === 'NotAllowedError') blocked.value = true
    }
  }

  async function look(): Promise<void> {
    const now = performance.now()
    if (document.hidden) fresh.unseen(now)
    started.value = fresh.started
    const stale = fresh.staleFor(now)
    staleSeconds.value = stale === null ? null : Math.floor(stale / 1000)
    if (phase.value !== 'open' || !fresh.fruitless(now)) return
    if (use.picturesOptional && (await anythingCame())) {
      line?.proven()
      return
    }
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
    use.video.value?.cancelVideoFrameCallback(callback)
    line?.close()
    line = null
    if (use.video.value) use.video.value.srcObject = null
  })

  return {
    phase: readonly(phase), problem, started: readonly(started), staleSeconds: readonly(staleSeconds),
    blocked: readonly(blocked), play, again: () => line?.renew(),
  }
}
