// What WHIP and WHEP share: a whole offer (no trickle), its answer, and the end of the session by its Location.
import { API, Problem, send } from '../api/http'
import { readNote, type Note } from './note'

const SDP = 'application/sdp'
const GATHER_LIMIT_MS = 2_000

/** The gateway and the browser see each other directly: no STUN, no TURN, nothing outside is asked. */
export function newPeer(): RTCPeerConnection {
  return new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle' })
}

/** The offer with the addresses found within the time limit; those that come later are not needed. */
export async function wholeOffer(peer: RTCPeerConnection): Promise<string> {
  await peer.setLocalDescription()
  if (peer.iceGatheringState !== 'complete')
    await new Promise<void>((done) => {
      const limit = setTimeout(done, GATHER_LIMIT_MS)
      peer.addEventListener('icegatheringstatechange', () => {
        if (peer.iceGatheringState !== 'complete') return
        clearTimeout(limit)
        done()
      })
    })
  return peer.localDescription?.sdp ?? ''
}

export interface Answered {
  sdp: string
  /** Ends the session by DELETE. */
  location: string | null
  /** What is to be known of the picture. */
  note: Note | null
}

export async function postOffer(path: string, sdp: string, signal: AbortSignal): Promise<Answered> {
  const answer = await send(path, { method: 'POST', body: sdp, contentType: SDP, headers: { Accept: SDP }, signal })
  const location = answer.headers.get('location')
  const note = readNote(answer.headers.get('x-stream-note'))
  return { sdp: await answer.text(), location: location?.startsWith(`${API}/`) ? location : null, note }
}

/** Tell the gateway at once; where it does not hear, its own time limits end the session. */
export function endSession(location: string): void {
  void send(location, { method: 'DELETE', keepalive: true }).catch(() => undefined)
}

const LASTING_STATUS = [400, 401, 403, 413, 422]
const LASTING_REASON = ['room_ended', 'browser_lacks_video']

/** Trying again by itself would be refused again: a person has to change something first. */
export function isLasting(problem: Problem): boolean {
  return LASTING_STATUS.includes(problem.status) || LASTING_REASON.includes(problem.reason)
}

const FORWARDED = ['video/h264', 'video/vp8']

/** H.264, then VP8: the gateway forwards nothing else. Throws `Problem` where the browser has neither. */
export function preferForwarded(transceiver: RTCRtpTransceiver, capabilities: RTCRtpCapabilities | null): void {
  const found = capabilities?.codecs ?? []
  const named = (type: string): RTCRtpCodec[] => found.filter((codec) => codec.mimeType.toLowerCase() === type)
  const forwarded = FORWARDED.flatMap(named)
  if (forwarded.length === 0)
    throw new Problem(
      0,
      'browser_lacks_video',
      '本浏览器不支持 H.264 或 VP8 实时视频，请更换浏览器。',
      'This browser has neither live H.264 nor VP8 video; use another one.',
    )
  transceiver.setCodecPreferences([...forwarded, ...named('video/rtx')])
}
