import { describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/api/problem'
import { preferForwarded } from '../src/media/signalling'

const codec = (mimeType: string, sdpFmtpLine?: string) => ({ mimeType, clockRate: 90_000, sdpFmtpLine })

function preferred(...codecs: ReturnType<typeof codec>[]): string[] {
  const setCodecPreferences = vi.fn<(codecs: { mimeType: string }[]) => void>()
  const transceiver = { setCodecPreferences } as unknown as RTCRtpTransceiver
  preferForwarded(transceiver, { codecs, headerExtensions: [] })
  return setCodecPreferences.mock.calls.flat().flat().map((one) => one.mimeType)
}

describe('what a browser offers of its codecs', () => {
  it('is H.264 first, VP8 behind it, and nothing that is not forwarded', () => {
    const found = preferred(codec('video/VP9'), codec('video/VP8'), codec('video/rtx'), codec('video/H264'), codec('video/AV1'))
    expect(found).toEqual(['video/H264', 'video/VP8', 'video/rtx'])
  })

  it('is VP8 alone where there is no H.264', () => {
    expect(preferred(codec('video/VP8'), codec('video/rtx'))).toEqual(['video/VP8', 'video/rtx'])
  })

  it('is said to be lacking where there is neither', () => {
    expect(() => preferred(codec('video/AV1'))).toThrow(Problem)
  })
})
