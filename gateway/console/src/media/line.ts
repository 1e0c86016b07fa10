// One WHIP or WHEP session kept up for as long as it is wanted: what breaks off is tried again with a bounded backoff.
import { asProblem, Problem } from '../api/problem'
import { waitBefore } from './backoff'
import type { Note } from './note'
import { endSession, isLasting, newPeer, postOffer, wholeOffer } from './signalling'

const CONNECT_LIMIT_MS = 10_000
const BROKEN_FOR_MS = 3_000

/** `refused`: the gateway will go on refusing, so nothing is tried until `renew`. */
export type Phase = 'connecting' | 'open' | 'waiting' | 'refused' | 'closed'

export interface LineUse {
  /** Adds what is sent or received to a new peer. */
  prepare: (peer: RTCPeerConnection) => void
  changed: (phase: Phase, problem: Problem | null) => void
  /** What the gateway says of what it sends, with each answer. */
  noted?: (note: Note | null) => void
}

export class Line {
  private peer: RTCPeerConnection | null = null
  private location: string | null = null
  private stopping = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined
  private failures = 0
  private phase: Phase = 'connecting'

  constructor(
    private readonly path: string,
    private readonly use: LineUse,
    private readonly random: () => number = Math.random,
  ) {}

  get current(): RTCPeerConnection | null {
    return this.peer
  }

  /** Connect; on a line that stands or waits, anew and at once. */
  renew(): void {
    if (this.phase === 'closed') return
    this.drop()
    void this.connect()
  }

  /** It carries what it should: the next failure is the first again. */
  proven(): void {
    this.failures = 0
  }

  /** What stands is of no use: end it and try again after the backoff. */
  broken(problem: Problem | null = null): void {
    if (this.phase === 'closed' || this.phase === 'waiting' || this.phase === 'refused') return
    this.drop()
    if (problem !== null && isLasting(problem)) {
      this.enter('refused', problem)
      return
    }
    this.failures += 1
    this.enter('waiting', problem)
    this.timer = setTimeout(() => void this.connect(), waitBefore(this.failures, this.random()))
  }

  close(): void {
    this.drop()
    this.enter('closed', null)
  }

  private async connect(): Promise<void> {
    this.enter('connecting', null)
    const stopping = (this.stopping = new AbortController())
    const peer = (this.peer = newPeer())
    try {
      this.use.prepare(peer)
      const offer = await wholeOffer(peer)
      if (stopping.signal.aborted) return
      const answered = await postOffer(this.path, offer, stopping.signal)
      if (stopping.signal.aborted) {
        if (answered.location !== null) endSession(answered.location)
        return
      }
      this.location = answered.location
      this.use.noted?.(answered.note)
      this.listen(peer)
      await peer.setRemoteDescription({ type: 'answer', sdp: answered.sdp })
    } catch (error) {
      if (!stopping.signal.aborted) this.broken(asProblem(error))
    }
  }

  private listen(peer: RTCPeerConnection): void {
    this.timer = setTimeout(() => this.broken(noPath()), CONNECT_LIMIT_MS)
    peer.addEventListener('connectionstatechange', () => {
      if (this.peer !== peer) return
      clearTimeout(this.timer)
      if (peer.connectionState === 'connected') this.enter('open', null)
      else if (peer.connectionState === 'failed' || peer.connectionState === 'closed') this.broken()
      else this.timer = setTimeout(() => this.broken(), this.phase === 'open' ? BROKEN_FOR_MS : CONNECT_LIMIT_MS)
    })
  }

  private drop(): void {
    clearTimeout(this.timer)
    this.stopping.abort()
    this.peer?.close()
    this.peer = null
    if (this.location !== null) endSession(this.location)
    this.location = null
  }

  private enter(phase: Phase, problem: Problem | null): void {
    this.phase = phase
    this.use.changed(phase, problem)
  }
}

function noPath(): Problem {
  return new Problem(
    0,
    'media_no_path',
    '媒体连接未能建立，请检查到网关的 UDP 网络。',
    'No media connection could be made; check the UDP path to the gateway.',
  )
}
