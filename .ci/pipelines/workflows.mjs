// Runs a GitHub workflow on this machine, as GitHub's own parser and expression evaluator understand it: the matrix
// expanded, `needs`, `if`, `env` and `with` evaluated, each job in a fresh clone, each `run:` by bash, artifacts handed
// from job to job. Of the actions only checkout and the two for artifacts are imitated; others are named and left out.
//
//   node workflows.js REPOSITORY WORK EVENT WORKFLOW JOB=RESULT… [--input NAME=VALUE] [--matrix NAME=VALUE] [--set NAME=VALUE]
//     [--without COMMAND=REASON]
//
// It fails unless each job ended as JOB=RESULT says (success, failure, skipped); --set goes over every job's variables.
import {execFileSync, spawnSync} from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {convertWorkflowTemplate, isSequence, NoOperationTraceWriter, parseWorkflow} from "@actions/workflow-parser";
import {data, Evaluator, Lexer, Parser} from "@actions/expressions";

const [repository, work, event, workflow, ...words] = process.argv.slice(2);
const options = {input: {}, matrix: {}, set: {}, without: {}};
const expected = {};
while (words.length) {
  const word = words.shift();
  const [name, ...value] = (word.startsWith("--") ? words.shift() : word).split("=");
  (word.startsWith("--") ? options[word.slice(2)] : expected)[name] = value.join("=");
}
const github = {
  actor: "somebody", event: {}, event_name: event, ref: "refs/heads/main", repository: "org/name", run_attempt: "1", run_id: "7",
  run_number: "7", server_url: "https://github.com", token: "none",
};
const artifacts = path.join(work, "artifacts");
const summary = path.join(work, "summary.md");
const environment = path.join(work, "venv");

// --- Expressions -----------------------------------------------------------------------------------

const toData = (value) => JSON.parse(JSON.stringify(value ?? null), data.reviver);
const toValue = (found) => JSON.parse(JSON.stringify(found, data.replacer));

// GitHub knows these functions in `if`, and hashFiles everywhere.
function statusFunctions(failed) {
  const answer = (name, call, maxArgs = 0) => ({name, minArgs: 0, maxArgs, call});
  const truth = (value) => () => new data.BooleanData(value);
  return [
    answer("success", truth(!failed)), answer("failure", truth(failed)), answer("always", truth(true)),
    answer("cancelled", truth(false)), answer("hashFiles", () => new data.StringData("0123"), 255),
  ];
}

function evaluate(expression, contexts, failed = false) {
  const functions = statusFunctions(failed);
  const tokens = new Lexer(expression).lex().tokens;
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  const named = new Map(functions.map((each) => [each.name.toLowerCase(), each]));
  return toValue(new Evaluator(tree, toData(contexts), named).evaluate());
}

// A token of the parsed workflow as a plain value, with every expression in it evaluated.
function resolve(token, contexts) {
  if (token === undefined) return undefined;
  if (token.isExpression) return evaluate(token.expression, contexts);
  if (token.isScalar) return token.value ?? null;
  const items = Array.from({length: token.count}, (_, index) => token.get(index));
  if (isSequence(token)) return items.map((item) => resolve(item, contexts));
  return Object.fromEntries(items.map(({key, value}) => [String(resolve(key, contexts)), resolve(value, contexts)]));
}

// A condition is true by GitHub's rules: not false, 0, "" or null.
const holds = (condition, contexts, failed) => condition === undefined || Boolean(evaluate(condition.expression, contexts, failed));

const texts = (variables) =>
  Object.fromEntries(Object.entries(variables ?? {}).map(([name, value]) => [name, value === null ? "" : String(value)]));

// --- Actions ---------------------------------------------------------------------------------------

function upload({name, path: patterns}, folder) {
  const target = path.join(artifacts, name);
  for (const pattern of patterns.trim().split("\n")) {
    if (!pattern.endsWith("/")) throw new Error(`upload-artifact: ${pattern} is no folder; only folders are imitated`);
    const source = path.join(folder, pattern);
    if (fs.existsSync(source)) fs.cpSync(source, target, {recursive: true});
  }
}

function download({name, pattern, path: target}, folder) {
  const wanted = pattern ? new RegExp(`^${pattern.replace("*", ".*")}$`) : new RegExp(`^${name}$`);
  const found = fs.existsSync(artifacts) ? fs.readdirSync(artifacts).filter((each) => wanted.test(each)) : [];
  if (!found.length) throw new Error(`download-artifact: there is no ${pattern ?? name}`);
  for (const each of found) fs.cpSync(path.join(artifacts, each), path.join(folder, target), {recursive: true});
}

const actions = {"actions/upload-artifact": upload, "actions/download-artifact": download};

// --- Jobs ------------------------------------------------------------------------------------------

function outputsOf(file) {
  const lines = fs.readFileSync(file, "utf8").split("\n").filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

function runScript(script, folder, variables) {
  const output = path.join(work, "output");
  fs.writeFileSync(output, "");
  const own = {
    CI: "true", GITHUB_ACTIONS: "true", GITHUB_OUTPUT: output, GITHUB_REPOSITORY: github.repository, GITHUB_RUN_ID: github.run_id,
    GITHUB_SERVER_URL: github.server_url, GITHUB_STEP_SUMMARY: summary,
  };
  const env = {...process.env, ...own, ...texts(variables), ...options.set};
  const done = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script], {cwd: folder, env, stdio: ["ignore", 1, 1]});
  return {failed: done.status !== 0, outputs: outputsOf(output)};
}

function runStep(step, folder, variables, contexts) {
  if (step.run) {
    const script = String(resolve(step.run, contexts));
    console.log(`    $ ${script} ${script in options.without ? `(left out: ${options.without[script]})` : ""}`);
    if (script in options.without) return {failed: false, outputs: {}};
    return runScript(script, folder, variables);
  }
  const name = step.uses.value.split("@")[0];
  const given = texts(resolve(step.with, contexts));
  console.log(`    ${name} ${actions[name] ? JSON.stringify(given) : "(left out)"}`);
  actions[name]?.(given, folder);
  return {failed: false, outputs: {}};
}

// The environment travels from job to job, as a cache would bring it.
function keepEnvironment(folder) {
  if (fs.existsSync(path.join(folder, ".venv"))) fs.renameSync(path.join(folder, ".venv"), environment);
}

function freshClone(folder) {
  fs.rmSync(folder, {recursive: true, force: true});
  execFileSync("git", ["clone", "--quiet", repository, folder]);
  if (fs.existsSync(environment)) {
    fs.renameSync(environment, path.join(folder, ".venv"));
    for (const name of fs.readdirSync(path.join(folder, ".venv")).filter((each) => each.startsWith(".installed"))) {
      fs.utimesSync(path.join(folder, ".venv", name), new Date(), new Date());
    }
  }
}

function runSteps(job, shared, contexts) {
  const folder = path.join(work, "job");
  freshClone(folder);
  const variables = {...shared, ...resolve(job.env, contexts)};
  const steps = {};
  let failed = false;
  for (const step of job.steps) {
    const known = {...contexts, env: variables, steps, job: {status: failed ? "failure" : "success"}};
    if (!holds(step.if, known, failed)) {
      console.log(`    not run: ${step.run ?? step.uses}`);
      continue;
    }
    const done = runStep(step, folder, {...variables, ...resolve(step.env, known)}, known);
    if (step.id) steps[step.id] = {outputs: done.outputs};
    failed ||= done.failed;
  }
  keepEnvironment(folder);
  return {result: failed ? "failure" : "success", outputs: texts(resolve(job.outputs, {...contexts, env: variables, steps}))};
}

// --- Workflows ---------------------------------------------------------------------------------------

async function parse(name) {
  const content = fs.readFileSync(path.join(repository, name), "utf8");
  const parsed = parseWorkflow({name, content}, new NoOperationTraceWriter());
  const files = {getFileContent: async (ref) => ({name: ref.path, content: fs.readFileSync(path.join(repository, ref.path), "utf8")})};
  const template = await convertWorkflowTemplate(parsed.context, parsed.value, files, {fetchReusableWorkflowDepth: 1});
  const errors = [...parsed.context.errors.getErrors().map((each) => each.message), ...(template.errors ?? []).map((each) => each.Message)];
  if (errors.length) throw new Error(`${name}: ${errors.join("; ")}`);
  // The model of a step leaves out what an action is given, so that comes from the parsed file.
  const written = parsed.value.assertMapping("workflow").find("jobs").assertMapping("jobs");
  for (const job of template.jobs.filter((each) => each.type === "job")) {
    const steps = written.find(job.id.value).assertMapping("job").find("steps").assertSequence("steps");
    job.steps.forEach((step, index) => (step.with = steps.get(index).assertMapping("step").find("with")));
  }
  return template;
}

function combinations(matrix) {
  let found = [{}];
  for (const [name, values] of Object.entries(matrix ?? {})) {
    found = found.flatMap((each) => values.map((value) => ({...each, [name]: value})));
  }
  return found;
}

const results = {};

async function runJob(job, shared, contexts) {
  if (job.type === "reusableWorkflowJob") {
    const inputs = resolve(job["input-values"], contexts);
    return {result: await runWorkflow(job.ref.value.replace(/^(\.|\$)\//, ""), inputs), outputs: {}};
  }
  const all = combinations(resolve(job.strategy, contexts)?.matrix);
  console.log(`  ${job.id.value}: ${all.length} in its matrix ${JSON.stringify(all)}`);
  const chosen = all.filter((each) => Object.entries(options.matrix).every(([name, value]) => !(name in each) || each[name] === value));
  const ended = chosen.map((matrix) => runSteps(job, shared, {...contexts, matrix}));
  const failed = !ended.length || ended.some((each) => each.result === "failure");
  return {result: failed ? "failure" : "success", outputs: Object.assign({}, ...ended.map((each) => each.outputs))};
}

async function runWorkflow(name, inputs) {
  console.log(`${name} ${JSON.stringify(inputs)}`);
  const template = await parse(name);
  const contexts = {github, inputs, vars: {}, secrets: {}, runner: {os: "Linux"}};
  const shared = resolve(template.env, {...contexts, env: {}}) ?? {};
  const needs = {};
  const waiting = [...template.jobs];
  while (waiting.length) {
    const index = waiting.findIndex((job) => (job.needs ?? []).every((need) => need.value in needs));
    const [job] = waiting.splice(index, 1);
    const before = Object.fromEntries((job.needs ?? []).map((need) => [need.value, needs[need.value]]));
    const failed = Object.values(before).some((each) => each.result === "failure");
    const skipped = Object.values(before).some((each) => each.result === "skipped");
    // success() of a job is false where one before it was skipped.
    const known = {...contexts, needs: before};
    const runs = holds(job.if, known, failed) && !(skipped && /^success\(\)/.test(job.if?.expression ?? "success()"));
    const done = runs ? await runJob(job, shared, known) : {result: "skipped", outputs: {}};
    needs[job.id.value] = done;
    results[job.id.value] = done.result;
    console.log(`  ${job.id.value}: ${done.result}`);
  }
  return Object.values(needs).some((each) => each.result === "failure") ? "failure" : "success";
}

const inputs = Object.fromEntries(
  Object.entries(options.input).map(([name, value]) => [name, ["true", "false"].includes(value) ? value === "true" : value]),
);
await runWorkflow(workflow, inputs);
const wrong = Object.keys({...expected, ...results}).filter((job) => expected[job] !== results[job]);
for (const job of wrong) console.error(`${job} ended with ${results[job]}, not ${expected[job]}`);
process.exit(wrong.length ? 1 : 0);
