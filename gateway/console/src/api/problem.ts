// RFC 9457 problem details as the gateway answers them, and failures that never reached it, in one form.

/** A failure a person can read: `detail` in Chinese, `detailEn` in English, `reason` for the program. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly detail: string,
    readonly detailEn: string,
    readonly field: string | null = null,
  ) {
    super(`${status} ${reason}: ${detailEn}`)
    this.name = 'Problem'
  }

  /** In words of the console's language. */
  words(locale: string): string {
    return locale.startsWith('zh') ? this.detail : this.detailEn
  }
}

/** The gateway did not answer at all. */
export function unreachable(): Problem {
  return new Problem(
    0,
    'gateway_unreachable',
    '无法连接网关，请检查网络；恢复后将自动重连。',
    'The gateway cannot be reached; check the network. The console reconnects by itself.',
  )
}

export function tooSlow(): Problem {
  return new Problem(0, 'gateway_too_slow', '网关未及时应答，请重试。', 'The gateway did not answer in time; try again.')
}

function text(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value !== '' ? value : otherwise
}

/** The problem in an answer's body; a body that is none (a proxy's page) still becomes one. */
export function problemOf(status: number, body: unknown): Problem {
  const found = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  return new Problem(
    status,
    text(found['reason'], `http_${status}`),
    text(found['detail'], `请求未能完成（${status}）。`),
    text(found['detail_en'], `The request failed (${status}).`),
    typeof found['field'] === 'string' ? found['field'] : null,
  )
}

/** Whatever was thrown, as a problem; a failure of the console itself says so. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const why = error instanceof Error ? error.message : String(error)
  return new Problem(0, 'console_error', `控制台内部错误：${why}`, `The console itself failed: ${why}`)
}
