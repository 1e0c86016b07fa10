// Watching by WHEP: the picture (and sound) of a camera or of a room's member, in one MediaStream for a <video>.
import { Line, type Phase } from './line'
import type { Note } from './note'
import { preferForwarded } from './signalling'
import type { Problem } from '../api/problem'

export interface WatchUse {
  /** A new connection's stream, its tracks to come. */
  streamed: (stream: MediaStream) => void
  changed: (phase: Phase, problem: Problem | null) => void
  noted: (note: Note | null) => void
  /** Sound comes. */
  heard: () => void
}

/** Begin watching `path` (under /api/v1); `renew` and `close` as with every line. */
export function watch(path: string, sound: boolean, use: WatchUse): Line {
  const line = new Line(path, {
    prepare(peer) {
      const stream = new MediaStream()
      peer.addEventListener('track', ({ track }) => {
        stream.addTrack(track)
        if (track.kind === 'audio') track.addEventListener('unmute', use.heard)
      })
      preferForwarded(peer.addTransceiver('video', { direction: 'recvonly' }), RTCRtpReceiver.getCapabilities('video'))
      if (sound) peer.addTransceiver('audio', { direction: 'recvonly' })
      use.streamed(stream)
    },
    changed: use.changed,
    noted: use.noted,
  })
  line.renew()
  return line
}

/** Bytes that came so far, picture and sound. */
export async function bytesReceived(peer: RTCPeerConnection): Promise<number> {
  let bytes = 0
  const reports: Iterable<{ type: string; bytesReceived?: number }> = (await peer.getStats()).values()
  for (const report of reports) if (report.type === 'inbound-rtp') bytes += report.bytesReceived ?? 0
  return bytes
}
