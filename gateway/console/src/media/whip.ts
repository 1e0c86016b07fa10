// Publishing by WHIP: one's own picture and sound into a room, H.264 (VP8 where there is none) and Opus, kept up until closed.
import type { Problem } from '../api/problem'
import { Line, type Phase } from './line'
import { preferForwarded } from './signalling'

const PROVEN_MS = 5_000
const MOST_VIDEO_BPS = 1_200_000

export function publish(
  path: string,
  media: MediaStream,
  changed: (phase: Phase, problem: Problem | null) => void,
): Line {
  let proving: ReturnType<typeof setTimeout> | undefined
  const line = new Line(path, {
    prepare(peer) {
      for (const track of media.getTracks()) {
        const sending: RTCRtpTransceiverInit = { direction: 'sendonly', streams: [media] }
        if (track.kind !== 'video') {
          peer.addTransceiver(track, sending)
          continue
        }
        // Every member's browser receives this very stream, so it must suit the weakest of them.
        const encoding = { maxBitrate: MOST_VIDEO_BPS }
        const transceiver = peer.addTransceiver(track, { ...sending, sendEncodings: [encoding] })
        preferForwarded(transceiver, RTCRtpSender.getCapabilities('video'))
      }
    },
    changed(phase, problem) {
      clearTimeout(proving)
      if (phase === 'open') proving = setTimeout(() => line.proven(), PROVEN_MS)
      changed(phase, problem)
    },
  })
  line.renew()
  return line
}
