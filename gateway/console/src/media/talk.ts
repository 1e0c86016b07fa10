// Speaking through a camera by WHIP: G.711, which cameras take as it is. A speech that breaks off is not taken up again.
import { Problem } from '../api/problem'
import { Line } from './line'

const G711 = ['audio/pcma', 'audio/pcmu']

export interface TalkUse {
  /** What is said from now on is heard at the camera. */
  opened: () => void
  /** It is over, and not because it was closed. */
  broke: (problem: Problem | null) => void
}

export function talk(code: string, media: MediaStream, use: TalkUse): Line {
  const line = new Line(`/whip/cameras/${encodeURIComponent(code)}`, {
    prepare(peer) {
      for (const track of media.getAudioTracks()) g711Only(peer.addTransceiver(track, { direction: 'sendonly' }))
    },
    changed(phase, problem) {
      if (phase === 'open') use.opened()
      if (phase !== 'waiting' && phase !== 'refused') return
      line.close()
      use.broke(problem)
    },
  })
  line.renew()
  return line
}

function g711Only(transceiver: RTCRtpTransceiver): void {
  const found = RTCRtpSender.getCapabilities('audio')?.codecs ?? []
  const g711 = found.filter((codec) => G711.includes(codec.mimeType.toLowerCase()))
  if (g711.length === 0)
    throw new Problem(0, 'browser_lacks_g711', '本浏览器不支持 G.711，无法喊话。', 'This browser has no G.711 to speak with.')
  transceiver.setCodecPreferences(g711)
}
