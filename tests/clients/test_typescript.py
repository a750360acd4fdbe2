"""openapi-typescript makes types with which the client examples of both seeds compile, with all checks on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.clients.npm import install
from tests.packaging.commands import run, succeed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

OPTIONS = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noEmit": True,
    "target": "es2022",
    "module": "es2022",
    "moduleResolution": "bundler",
    "lib": ["es2022", "dom"],
    "types": [],
}

# As in the first seed, except that the parsed event has a type.
EXAMPLE = """
import type { components } from './schema';
type Schemas = components['schemas'];

// Connect to SSE stream
const apiKey = 'your-api-key-here';
const interval = 1.0; // Update every 1 second
const eventSource = new EventSource(
  `http://localhost:8008/gpu/stream?api_key=${apiKey}&interval=${interval}`
);

// Handle incoming metrics
eventSource.onmessage = (event) => {
  const metrics: Schemas['StreamEvent'] = JSON.parse(event.data);
  console.log('GPU Metrics:', metrics);
  // Update your UI with metrics.gpus, metrics.summary, etc.
  if (metrics.status !== 'error') show(metrics.gpus, metrics.summary);
};

// Handle errors
eventSource.onerror = (error) => {
  console.error('SSE Error:', error);
  // EventSource will automatically reconnect
};

function show(gpus: Schemas['Gpu'][], summary: Schemas['GpuSummary']): string {
  const watts = gpus.map((gpu) => gpu.power.usage_watts ?? 0).reduce((sum, each) => sum + each, 0);
  return `${watts} W, ${summary.total_used_memory_mb ?? 'unknown'} MiB`;
}
"""

# The answers of the second seed, by the names of the operations.
ENVELOPE = """
import type { operations } from './schema';
type Right = operations['get_status']['responses'][200]['content']['application/json'];
type Wrong = operations['get_status']['responses'][400]['content']['application/json'];
type Query = NonNullable<operations['get_status']['parameters']['query']>;

const query: Query = { idx: '0,1', process: 'C', mig: true };

export async function hottest(url: string): Promise<number | null> {
  const asked = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  const answer: Right | Wrong = await (await fetch(`${url}/status?${asked}`)).json();
  if (answer.code !== 0 || answer.data === null) return null;
  const { devices } = (answer as Right).data;
  const known = devices.map((device) => device.temperature).filter((value) => value !== 'N/A');
  return Math.max(...known);
}
"""

# The answers from the file in STATE_DIR, and the fields that it adds to other answers.
HOURS = """
import type { components, operations } from './schema';
type Schemas = components['schemas'];
type Usage = operations['get_usage']['responses'][200]['content']['application/json'];
type Csv = operations['get_usage']['responses'][200]['content']['text/csv'];
type Query = NonNullable<operations['get_usage']['parameters']['query']>;
type Past = NonNullable<operations['get_history']['parameters']['query']>;

export const queries: Query[] = [{}, { days: 7, by: 'day' }, { by: 'gpu', format: 'csv' }];
export const day: Past = { seconds: 86400, fields: 'power_watts,host' };
export const table = (csv: Csv): string[] => csv.split('\\n');

export function wasted({ data }: Usage): string[] {
  return (data.users ?? []).map(({ username, uid, hours_held: held, hours_used: used }) =>
    held === null ? 'unknown' : `${username ?? uid ?? 'unknown'} ${held - (used ?? 0)} h`,
  );
}

export function idle({ users, usage_days: days }: Schemas['Users']): string {
  const held = users.map((user) => user.idle_holdings?.gpu_memory_mb ?? 0);
  return `${held.length} users, hours for ${days ?? 'no'} days`;
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, document_file: Path) -> Path:
    """A folder with the compiler and the types."""
    folder = tmp_path_factory.mktemp("typescript")
    install(folder, "openapi-typescript@7", "typescript@5")
    succeed(["npx", "openapi-typescript", str(document_file), "--output", "schema.ts"], folder)
    return folder


def compiled(project: Path, program: str) -> str:
    """The messages of the compiler about a program; none if the program is right."""
    (project / "program.ts").write_text(program)
    settings = {"compilerOptions": OPTIONS, "files": ["program.ts", "schema.ts"]}
    (project / "tsconfig.json").write_text(json.dumps(settings))
    return run(["npx", "tsc", "--project", "."], project).stdout


@pytest.mark.parametrize("program", [EXAMPLE, ENVELOPE, HOURS], ids=["first seed", "second seed", "hours"])
def test_each_example_client_compiles(project: Path, program: str) -> None:
    assert compiled(project, program) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("metrics.status !== 'error'", "true", "Property 'gpus' does not exist on type"),
        ("gpu.power.usage_watts ?? 0", "gpu.power.usage_watts", "possibly 'null'"),
        ("gpu.power.usage_watts", "gpu.power.usage_milliwatts", "does not exist on type"),
    ],
)
def test_the_compiler_finds_mistakes_of_a_client(project: Path, right: str, wrong: str, message: str) -> None:
    assert message in compiled(project, EXAMPLE.replace(right, wrong))
