// `/readyz`, which stands beside `/api/v1`: whether the gateway's processes do their work.

export interface Readiness {
  ready: boolean
  database: string
  workers: Record<string, boolean>
}

/** Answered with 503 while something is not ready, with the same body. */
export async function readiness(): Promise<Readiness> {
  const answer = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(10_000) })
  const found = (await answer.json()) as Partial<Readiness>
  return { ready: found.ready === true, database: found.database ?? '', workers: found.workers ?? {} }
}
