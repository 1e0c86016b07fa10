// Chinese first, English complete; the choice is kept on this machine.
import { createI18n } from 'vue-i18n'
import { en, zhCN } from './areas'

export type Locale = 'zh-CN' | 'en'
const KEPT = 'gateway.locale'

function kept(): Locale {
  return localStorage.getItem(KEPT) === 'en' ? 'en' : 'zh-CN'
}

export const i18n = createI18n({
  legacy: false,
  locale: kept(),
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': zhCN, en },
})

export function currentLocale(): Locale {
  return i18n.global.locale.value === 'en' ? 'en' : 'zh-CN'
}

/** Switch the language, remember it, and tell the document (screen readers and fonts go by it). */
export function useLocale(locale: Locale): void {
  i18n.global.locale.value = locale
  localStorage.setItem(KEPT, locale)
  document.documentElement.lang = locale
  document.title = i18n.global.t('app.name')
}

/** A word of a table that may lack it: a code that a newer gateway sends is shown as it is. */
export function wordOr(key: string, otherwise: string): string {
  return i18n.global.te(key) ? i18n.global.t(key) : otherwise
}
