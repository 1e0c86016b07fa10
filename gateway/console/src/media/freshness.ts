// Whether what a <video> shows is live. Pure: time comes by argument (milliseconds of any steady clock).
//
// A new connection begins with the pictures that the gateway holds (back to the last keyframe), so that there is
// something to see at once; they come again when the browser asks for a keyframe. Of a camera that has stopped these
// are old. Their RTP timestamps hardly move, so only pictures whose timestamps go on prove that it is live.

/** Without a live picture for so long, what is on the screen is old. */
export const STALE_MS = 3_000
/** The first picture of a connection may take so long: a keyframe has to come first. */
export const FIRST_MS = 8_000
/** The very first pictures are shown for so long without proof. */
export const UNPROVEN_MS = 1_500
/** So soon after a hidden page is seen again, a picture must come. */
const SEEN_AGAIN_MS = 1_000
/** A tenth of a second of the 90 kHz clock; the held pictures together take less. */
export const LIVE_TICKS = 9_000

export class Freshness {
  /** When the last picture came that counts as live; null before any was shown. */
  private liveAt: number | null = null
  /** Of this connection: when its first picture, and then each one that proved it, came. */
  private provenAt: number | null = null
  private ticks: number | null = null
  private since: number
  private connections = 0
  private moved = false

  constructor(now: number) {
    this.since = now
  }

  /** A connection is being made: its pictures are awaited anew. What is on the screen stays as old as it is. */
  begun(now: number): void {
    this.since = now
    this.connections += 1
    this.provenAt = this.ticks = null
    this.moved = false
  }

  /** It stands; from now on it has its time. */
  connected(now: number): void {
    this.since = now
  }

  /** `ticks`: the picture's RTP timestamp. */
  picture(now: number, ticks: number): void {
    if (this.ticks === null) {
      this.ticks = ticks
      this.provenAt = now
      this.liveAt ??= now
      return
    }
    const forward = (ticks - this.ticks) >>> 0
    if (forward < LIVE_TICKS) return
    this.ticks = ticks
    this.moved = true
    this.provenAt = this.liveAt = now
  }

  /** Nobody looked (a hidden page is given no pictures), so nothing is known of that time. */
  unseen(now: number): void {
    this.since = now
    if (this.provenAt !== null) this.provenAt = now
    if (this.liveAt !== null && this.staleFor(now) === null) this.liveAt = now - STALE_MS + SEEN_AGAIN_MS
  }

  /** Whether a picture was ever shown. */
  get started(): boolean {
    return this.liveAt !== null
  }

  /** Whether this connection's pictures have proven to be live. */
  get confirmed(): boolean {
    return this.moved
  }

  /** Milliseconds without a live picture where the one shown is old; null while it is live or none was shown. */
  staleFor(now: number): number | null {
    if (this.liveAt === null) return null
    const age = now - this.liveAt
    const unproven = this.connections <= 1 && !this.moved
    return age >= (unproven ? UNPROVEN_MS : STALE_MS) ? age : null
  }

  /** Whether the connection has had its time and brings nothing. */
  fruitless(now: number): boolean {
    return this.provenAt === null ? now - this.since >= FIRST_MS : now - this.provenAt >= STALE_MS
  }
}
