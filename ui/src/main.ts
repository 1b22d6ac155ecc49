import './fonts.css';
import './app.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { Desk } from './state/desk.svelte';

const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no element #app');
const desk = new Desk(`${scheme}//${location.host}/ws`, new URLSearchParams(location.search).get('panel'));
mount(App, { target, props: { desk } });
