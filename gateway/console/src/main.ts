import { createApp } from 'vue'
import App from './App.vue'
import { currentLocale, i18n, useLocale } from './i18n'
import { router } from './session/router'
import './style/console.css'
import './style/tables.css'

useLocale(currentLocale())
createApp(App).use(i18n).use(router).mount('#app')
