import { useSyncExternalStore } from 'react';

import { meaning, type RequestRecorder } from './requests';

/** The latest requests to the BFF and the API. */
export function Requests({ recorder }: { recorder: RequestRecorder }) {
  const requests = useSyncExternalStore(recorder.subscribe, () => recorder.latest);
  return (
    <section className="wide">
      <h2>Requests of this page</h2>
      <div className="table" role="region" aria-label="Requests of this page" tabIndex={0}>
        <table id="requests">
          <thead>
            <tr>
              <th scope="col">Request</th>
              <th scope="col">Status</th>
              <th scope="col">Time</th>
              <th scope="col">Note</th>
            </tr>
          </thead>
          <tbody>
            {requests.map((request, index) => (
              <tr key={request.id}>
                <td>
                  <code>
                    {request.method} {request.path}
                  </code>
                </td>
                <td>{request.status === undefined ? '…' : request.status || '–'}</td>
                <td>{request.milliseconds !== undefined && `${Math.round(request.milliseconds)} ms`}</td>
                <td>{meaning(request, requests.slice(0, index))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
