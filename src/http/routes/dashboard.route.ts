import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendFile } from '../static-files.ts';

/** Everything a page may load comes from here; nothing inline runs, and no other site may put it in a frame. */
const pageHeaders = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
} as const;

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The dashboard is not built</title>
<h1>The dashboard is not built</h1>
<p>Run <code>npm run build</code> where the program is installed from source, then load this page again.</p>
<p>The API works without it: <a href="/openapi.json">/openapi.json</a> describes it.</p>
</html>
`;

/**
 * The dashboard's files, and its first page for every address below /dashboard that is no file: the page routes itself.
 */
export function registerDashboardRoutes(app: FastifyInstance, dashboardDir: string | null): void {
  app.get('/', (_request, reply) => {
    reply.redirect('/dashboard', 302);
  });

  if (dashboardDir === null) {
    const answer = (_request: unknown, reply: FastifyReply) => {
      reply.headers(pageHeaders).header('content-type', 'text/html; charset=utf-8').send(notBuilt);
    };
    app.get('/dashboard', answer);
    app.get('/dashboard/*', answer);
    return;
  }

  const send = (request: FastifyRequest, reply: FastifyReply, path: string) => {
    // The bundler puts a hash of the content into the name of everything under assets/.
    const caching = path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    return sendFile(request, reply, dashboardDir, path, { ...pageHeaders, 'cache-control': caching });
  };
  app.get('/dashboard', (request, reply) => send(request, reply, 'index.html'));
  app.get<{ Params: { '*': string } }>('/dashboard/*', (request, reply) => {
    const path = request.params['*'];
    // Names with an extension are files; what is not there is a 404, never the page, which a browser would take for a
    // script.
    return send(request, reply, /\.[a-z\d]+$/i.test(path) ? path : 'index.html');
  });
}
