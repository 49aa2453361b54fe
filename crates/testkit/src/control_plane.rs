//! A real Kubernetes control plane for tests: starts and stops one through
//! `deploy/control-plane/control-plane`, or uses the cluster that `ECP_TEST_KUBECONFIG` names.
//!
//! Nothing outlives the test binary: a watchdog of the script takes the cluster down as soon as the
//! process is gone, however it ended. Faults between a client and the API server are
//! [`FaultProxy`](crate::FaultProxy)'s.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where the tests look for a cluster of the developer's own.
const OWN_CLUSTER: &str = "ECP_TEST_KUBECONFIG";

/// A program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The API server.
    ApiServer,
    /// Deployments, ReplicaSets, namespaces and the other built-in controllers.
    ControllerManager,
    /// The database behind the API server.
    Etcd,
    /// What plays the nodes.
    Kwok,
    /// The metrics API.
    MetricsServer,
    /// The scheduler.
    Scheduler,
}

impl Component {
    fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Etcd => "etcd",
            Self::Kwok => "kwok-controller",
            Self::MetricsServer => "metrics-server",
            Self::Scheduler => "kube-scheduler",
        }
    }
}

/// A signal to a program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGCONT: goes on after [`Signal::Stop`].
    Continue,
    /// SIGKILL: ends at once. The call returns when it has.
    Kill,
    /// SIGSTOP: freezes, so that connections stay open and nobody answers.
    Stop,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
        }
    }
}

/// A running control plane. Its calls wait for programs and block the thread; they panic where
/// something does not work, with what the program printed.
#[derive(Debug)]
pub struct ControlPlane {
    /// Name of the cluster; none where it is not ours to stop.
    name: Option<String>,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    /// The cluster that all tests of this binary share, started by the first that asks. Tests keep
    /// apart by names of their own; outages are for [`Self::start`].
    ///
    /// # Panics
    /// Where it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var_os(OWN_CLUSTER) {
            Some(path) if !path.is_empty() => Self { name: None, kubeconfig: path.into() },
            _ => Self::start("shared"),
        })
    }

    /// [`Self::shared`], but never the developer's own: pods fail where they are told to.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn shared_with_faults() -> &'static Self {
        static OURS: OnceLock<ControlPlane> = OnceLock::new();
        let shared = Self::shared();
        if shared.is_external() { OURS.get_or_init(|| Self::start("shared")) } else { shared }
    }

    /// A cluster of this test alone, for outages and settings that would disturb others; it goes
    /// when the value does. Always one of the script's, for no developer wants their own ended.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// [`Self::start`] with flags of the script, such as `--with-monitoring-crds`.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_with(name: &str, flags: &[&str]) -> Self {
        let process = std::process::id().to_string();
        let name = format!("test-{name}-{process}");
        let mut args = vec!["up", &name, "--watch-pid", &process];
        args.extend(flags);
        let output = run(Command::new(script()).args(args), None);
        let kubeconfig = output.lines().last().expect("the script prints the path of the kubeconfig").into();
        Self { name: Some(name), kubeconfig }
    }

    /// The file by which a client becomes the cluster's administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether the cluster is the developer's own: its pods do not fail on demand, and its programs
    /// cannot be stopped.
    pub fn is_external(&self) -> bool {
        self.name.is_none()
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Panics
    /// Where kubectl fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        run(&mut self.kubectl_command(args), None)
    }

    /// Runs kubectl; the error is what it printed.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        try_run(&mut self.kubectl_command(args), None)
    }

    /// Runs `kubectl get … -o json`.
    ///
    /// # Panics
    /// Where kubectl fails.
    pub fn get(&self, args: &[&str]) -> Value {
        let output = self.kubectl(&[&["get", "-o", "json"], args].concat());
        serde_json::from_str(&output).expect("kubectl prints JSON")
    }

    /// Applies a manifest by server-side apply.
    ///
    /// # Panics
    /// Where kubectl fails.
    pub fn apply(&self, manifest: &str) {
        run(&mut self.kubectl_command(&["apply", "--server-side", "-f", "-"]), Some(manifest));
    }

    /// Makes ServiceMonitor and PrometheusRule known to the cluster.
    ///
    /// # Panics
    /// Where kubectl fails.
    pub fn apply_monitoring_crds(&self) {
        for file in run(Command::new(script()).arg("crds"), None).lines() {
            self.kubectl(&["apply", "--server-side", "-f", file]);
        }
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
    }

    /// Has new pods of the namespace fail from now on (`image`, `crash`, `oom`, `probe`, `slow`), or
    /// come up again (none). Pods that run are left alone.
    ///
    /// # Panics
    /// Where kubectl fails.
    pub fn set_fault(&self, namespace: &str, fault: Option<&str>) {
        let label = fault.map_or("ecp-test/fault-".to_owned(), |fault| format!("ecp-test/fault={fault}"));
        self.kubectl(&["label", "--overwrite", "namespace", namespace, &label]);
    }

    /// Ends a program in order; what still drains its connections after three seconds is killed.
    ///
    /// # Panics
    /// In a cluster of the developer's own.
    pub fn stop_component(&self, component: Component) {
        self.script(&["stop"], &[component.name()]);
    }

    /// Starts the programs that do not run, and returns when the API server answers.
    ///
    /// # Panics
    /// Where one does not start, and in a cluster of the developer's own.
    pub fn start_components(&self) {
        self.script(&["start"], &[]);
    }

    /// Sends a signal to a program.
    ///
    /// # Panics
    /// Where the program does not run, and in a cluster of the developer's own.
    pub fn signal(&self, component: Component, signal: Signal) {
        self.script(&["signal"], &[component.name(), signal.name()]);
    }

    /// Programs that run, with their process ids.
    ///
    /// # Panics
    /// In a cluster of the developer's own.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let output = self.script(&["components"], &[]);
        let pair = |line: &str| {
            let (name, pid) = line.split_once(' ').expect("a name and a process id");
            (name.to_owned(), pid.parse().expect("a process id"))
        };
        output.lines().map(pair).collect()
    }

    /// Takes the cluster down now; dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command;
        match &self.name {
            Some(name) => {
                command = Command::new(script());
                command.args(["kubectl", name]);
            }
            None => {
                command = Command::new("kubectl");
                command.arg("--kubeconfig").arg(&self.kubeconfig);
            }
        }
        command.args(args);
        command
    }

    fn script(&self, verb: &[&str], args: &[&str]) -> String {
        let name = self.name.as_deref().expect("programs of a cluster of your own are not touched");
        run(Command::new(script()).args(verb).arg(name).args(args), None)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = Command::new(script()).args(["down", name]).stdout(Stdio::null()).status();
        }
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/control-plane/control-plane")
}

fn run(command: &mut Command, input: Option<&str>) -> String {
    try_run(command, input).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn try_run(command: &mut Command, input: Option<&str>) -> Result<String, String> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input.as_bytes()).map_err(|error| format!("does not read: {error}"))?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

#[cfg(test)]
mod tests;
