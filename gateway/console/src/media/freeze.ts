// A picture as it stands now on a <video>, as a JPEG that the gateway takes.
const MOST_BYTES = 1_000_000
const LARGEST_WIDTH = 1920
const QUALITIES = [0.85, 0.65, 0.4] as const

/** Null where there is no picture yet. */
export async function frozen(video: HTMLVideoElement): Promise<Blob | null> {
  if (video.videoWidth === 0) return null
  const scale = Math.min(1, LARGEST_WIDTH / video.videoWidth)
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(video.videoWidth * scale)
  canvas.height = Math.round(video.videoHeight * scale)
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height)
  for (const quality of QUALITIES) {
    const made = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', quality))
    if (made !== null && made.size <= MOST_BYTES) return made
  }
  return null
}
