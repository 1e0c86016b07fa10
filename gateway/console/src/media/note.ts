// What the gateway says of a picture that is not the main stream as it came: X-Stream-Note, a structured field (RFC 8941).

export type Note = { kind: 'transcoded' } | { kind: 'sub_stream'; width: number | null; height: number | null }

/** Null where nothing is to be known, and for what a newer gateway may say. */
export function readNote(said: string | null): Note | null {
  const [kind, ...parameters] = (said ?? '').split(';').map((part) => part.trim())
  if (kind === 'transcoded') return { kind }
  if (kind !== 'sub_stream') return null
  const size = (name: string): number | null => {
    const found = parameters.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
    return /^\d{1,5}$/.test(found) ? Number(found) : null
  }
  return { kind, width: size('width'), height: size('height') }
}
