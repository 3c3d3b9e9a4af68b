import { describe, expect, it } from 'vitest';
import { isDiagnostics, loadScript } from '#module/load.ts';
import { modules } from '#modules/index.ts';
import { type ClusterConfiguration, readConfiguration } from '#server/configuration.ts';
import { type Failure, isFailure } from '#util/failure.ts';

function read(lines: string): ClusterConfiguration | Failure {
  const text = `
socket = udp:127.0.0.1:5060
loadmodule "proto_udp.so"\nloadmodule "proto_bin.so"\nloadmodule "proto_bins.so"\nloadmodule "tls_mgm.so"
loadmodule "clusterer.so"\nloadmodule "tm.so"\nloadmodule "sl.so"
modparam("clusterer", "my_node_id", 1)
modparam("clusterer", "db_url", "sqlite:///nowhere")
${lines}
route { exit; }`;
  const script = loadScript({ path: 'a.cfg', text, modules, readFile: () => '' });
  if (isDiagnostics(script)) throw new Error(script.map((problem) => problem.text).join('\n'));
  const configuration = readConfiguration(script, []);
  return isFailure(configuration) ? configuration : configuration.cluster!;
}

const files = `modparam("tls_mgm", "certificate", "[a]/c.pem")
modparam("tls_mgm", "private_key", "[a]/k.pem")
modparam("tls_mgm", "ca_list", "/ca.pem")`;

describe('the cluster in a script', () => {
  it('reads the names of table and columns', () => {
    const cluster = read(
      'modparam("clusterer", "db_table", "nodes")\nmodparam("clusterer", "url_col", "place")',
    );
    expect(cluster).toMatchObject({ table: 'nodes', columns: { url: 'place', node_id: 'node_id' } });
  });

  it('reads where links are accepted, with the ports of OpenSIPS', () => {
    expect(read('socket = bin:10.0.0.1')).toMatchObject({
      listen: { address: '10.0.0.1', port: 5555, secure: false },
      certificates: null,
    });
    expect(read(`socket = bins:10.0.0.1\n${files}`)).toMatchObject({
      listen: { address: '10.0.0.1', port: 5556, secure: true },
      certificates: { certificate: '/c.pem', privateKey: '/k.pem', authorities: '/ca.pem' },
    });
    expect(read(`socket = bins:10.0.0.1\n${files}\nmodparam("proto_bins", "bins_port", 5600)`)).toMatchObject(
      { listen: { port: 5600 } },
    );
  });

  it.each([
    ['socket = bins:10.0.0.1', 'need certificate, private_key and ca_list of tls_mgm'],
    ['modparam("tls_mgm", "certificate", "/c.pem")', 'tls_mgm: set private_key and ca_list too'],
    [`${files}\nmodparam("tls_mgm", "certificate", "[b]/d.pem")`, 'certificate is /c.pem and /d.pem'],
    [
      'modparam("clusterer", "claim_directory", "some")',
      'claim_directory is "some", expected "all" or "home"',
    ],
    ['modparam("clusterer", "sharing_tag_quorum", "all")', 'expected "majority" or "reachable"'],
  ])('refuses %s', (lines, problem) => {
    const cluster = read(lines);
    expect(isFailure(cluster) && cluster.message).toContain(problem);
  });
});
