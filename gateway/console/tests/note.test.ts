import { describe, expect, it } from 'vitest'
import { readNote } from '../src/media/note'

describe('what the gateway says of a picture', () => {
  it('is nothing, a transcoding, or a sub-stream with its size', () => {
    expect(readNote(null)).toBeNull()
    expect(readNote('transcoded')).toEqual({ kind: 'transcoded' })
    expect(readNote('sub_stream;width=640;height=360')).toEqual({ kind: 'sub_stream', width: 640, height: 360 })
  })

  it('is left alone where it makes no sense', () => {
    expect(readNote('sub_stream; width=-1;height=<b>')).toEqual({ kind: 'sub_stream', width: null, height: null })
    expect(readNote('something new;x=1')).toBeNull()
    expect(readNote('')).toBeNull()
  })
})
