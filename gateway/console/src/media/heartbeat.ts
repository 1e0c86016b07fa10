// Says every two seconds that this browser is still in the room; a beat that is missed is repeated at once.
const EVERY_MS = 2_000
const REPEAT_MS = 400
/** While nothing is heard, for a minute: whoever has the network back is back within two seconds. */
const AWAY_MS = 500
const LONG_AWAY = 120
const MOST_MISSED = 3
/** The gateway counts a member out after five seconds without a sign. */
const COUNTED_OUT_MS = 4_500

export interface Beating {
  /** One beat, with a time limit of its own; rejects where it is missed. */
  beat: () => Promise<void>
  /** Whether the failure says that the member is not in the room any more. */
  isGone: (error: unknown) => boolean
  /** So many beats in a row went unheard; they go on. */
  missed: () => void
  /** Heard again after `missed`. */
  heard: () => void
  /** Not a member any more; no beat follows. `silent`: the gateway had heard nothing for too long. */
  gone: (silent: boolean) => void
}

export class Heartbeat {
  private timer: ReturnType<typeof setTimeout> | undefined
  private stopped = false
  private misses = 0

  /** `askedAt`: when the last sign was sent that was heard, joining the first: the gateway heard it no earlier. By when
   * its answer came, one that is slow to answer would seem to have heard us later than it did. */
  constructor(
    private readonly use: Beating,
    private askedAt: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.timer = setTimeout(() => void this.beat(), EVERY_MS)
  }

  /** Whether the gateway may have counted this browser out for its silence. */
  get silent(): boolean {
    return this.now() - this.askedAt >= COUNTED_OUT_MS
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }

  private wait(): number {
    if (this.misses === 0 || this.misses > LONG_AWAY) return EVERY_MS
    return this.misses < MOST_MISSED ? REPEAT_MS : AWAY_MS
  }

  private async beat(): Promise<void> {
    const asked = this.now()
    try {
      await this.use.beat()
      if (this.stopped) return
      if (this.misses >= MOST_MISSED) this.use.heard()
      this.misses = 0
      this.askedAt = asked
    } catch (error) {
      if (this.stopped) return
      if (this.use.isGone(error)) {
        this.stop()
        this.use.gone(this.silent)
        return
      }
      this.misses += 1
      if (this.misses === MOST_MISSED) this.use.missed()
    }
    this.timer = setTimeout(() => void this.beat(), this.wait())
  }
}
