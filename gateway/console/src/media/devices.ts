// The member's own camera and microphone; what is missing or refused is said by a word of the rooms' table.
const VIDEO: MediaTrackConstraints = { width: 640, height: 360, frameRate: { max: 25 } }

/** `note` names the word under `room.` that says what is not sent and why. */
export interface Devices {
  media: MediaStream | null
  note: string | null
}

/** Never rejects: whoever has no devices, or will not give them, joins to watch and listen. */
export async function openDevices(): Promise<Devices> {
  const found = navigator.mediaDevices as MediaDevices | undefined
  if (found === undefined) return { media: null, note: 'insecure' }
  try {
    return { media: await found.getUserMedia({ video: VIDEO, audio: true }), note: null }
  } catch (error) {
    if (noteOf(error) === 'mediaDenied') return { media: null, note: 'mediaDenied' }
    const soundOnly = await found.getUserMedia({ audio: true }).catch(() => null)
    if (soundOnly !== null) return { media: soundOnly, note: 'mediaPartial' }
    const pictureOnly = await found.getUserMedia({ video: VIDEO }).catch(() => null)
    if (pictureOnly !== null) return { media: pictureOnly, note: 'mediaSilent' }
    return { media: null, note: noteOf(error) }
  }
}

/** For speaking alone; what is refused is said as above. */
export async function openMicrophone(): Promise<Devices> {
  const found = navigator.mediaDevices as MediaDevices | undefined
  if (found === undefined) return { media: null, note: 'insecure' }
  try {
    return { media: await found.getUserMedia({ audio: true }), note: null }
  } catch (error) {
    return { media: null, note: noteOf(error) }
  }
}

export function closeDevices(media: MediaStream | null): void {
  for (const track of media?.getTracks() ?? []) track.stop()
}

function noteOf(error: unknown): string {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'mediaDenied'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'mediaMissing'
  return 'mediaBusy'
}
