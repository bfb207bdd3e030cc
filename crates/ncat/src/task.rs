//! A task that ends with its owner.

use std::future::Future;

use tokio::task::JoinHandle;

/// Runs beside its owner and is stopped when that is dropped.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    pub(crate) fn spawn(task: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// Waits for its result; its panic becomes ours.
    pub(crate) async fn join(&mut self) -> T {
        match (&mut self.0).await {
            Ok(result) => result,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only our own drop cancels it, and then nobody waits.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
