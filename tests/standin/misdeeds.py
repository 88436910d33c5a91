"""The ways in which the stand-in breaks on command. Each is something that a code, a disk or a kernel does.

Every function takes the `Run` of `main`. Those of `BEFORE` act in place of the computation (and may come back
from it), those of `AFTER` act on output that was written properly.
"""

# importing pathlib would take longer than all the rest of a run
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH108, PTH109, PTH110, PTH116, PTH118, PTH123, PTH208, PTH211

import fcntl
import os
import signal
import time

#: no command writes more than that, whatever the limits [bytes]
#: how much older a former run is at least [s]
BEFORE = 60.0
MOST_WRITTEN = 256 * 2**20
CHUNK = 2**20
MOST_MEMORY = 64 * 2**30


def wait_until(folder, condition, seconds=float("inf")):
    """Wait for a condition on the entries of a folder: the kernel says when one comes or goes (Linux)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
    watched = os.open(folder, os.O_RDONLY)
    fcntl.fcntl(
        watched, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME | fcntl.DN_MULTISHOT
    )
    until = time.monotonic() + min(seconds, 3600.0)
    while not condition() and signal.sigtimedwait({signal.SIGIO}, max(0.0, until - time.monotonic())):
        continue


def hang(run):
    run.announce()
    while True:
        signal.pause()


def hang_ignoring_signals(run):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # the C library keeps two for itself
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    hang(run)


def hang_with_children(run):
    leave_children(run)
    hang(run)


def stop_itself(run):
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)


def burn_cpu(run):
    while True:
        pass


def nothing(run):
    raise SystemExit(0)


def stale(run):
    """Put a former run's files here, with times of their own, as if they had never been removed.

    What was kept may be of another slot's run that ended while this one was under way: times are set to those
    of a run well before.
    """
    for name in os.listdir(run.place("last")):
        kept = run.place("last", name)
        with open(kept, "rb") as file, open(name, "wb") as copy:
            copy.write(file.read())
        then = os.stat(kept).st_mtime - BEFORE
        os.utime(name, (then, then))
    raise SystemExit(0)


def fill_disk(run):
    """Write until the limit on a file's size says no; then go on as SIR does: empty files, exit code 0."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    written = 0
    try:
        with open("fill.tmp", "wb") as file:
            while written < MOST_WRITTEN:
                written += file.write(bytes(CHUNK))
    except OSError as error:
        print(" write error:", error.strerror)
    empty_files(run)


def empty_files(run):
    for name in run.outputs():
        with open(name, "w", encoding="ascii"):
            pass
    raise SystemExit(0)


def delete_folder(run):
    for folder, _, files in os.walk(".", topdown=False):
        for name in files:
            os.unlink(os.path.join(folder, name))
        if folder != ".":
            os.rmdir(folder)
    os.rmdir(os.getcwd())
    raise SystemExit(0)


def segfault(run):
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()


def kill_warden(run):
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


def segfault_once(run):
    if run.first_time():
        segfault(run)


def kill_warden_once(run):
    if run.first_time():
        kill_warden(run)


def hog_memory(run):
    """Ask for more and more; never touched, so that it costs address space and no memory."""
    kept = []
    while len(kept) * 64 * CHUNK < MOST_MEMORY:
        kept.append(bytes(64 * CHUNK))


def leave_children(run):
    """A child in the background, one in a session of its own, and an orphan of another session."""
    for how in ("child", "session", "orphan"):
        if os.fork() == 0:
            if how != "child":
                os.setsid()
            if how == "orphan" and os.fork() > 0:
                os._exit(0)
            run.register()
            signal.pause()
    return


def late_writer(run):
    """Leave an orphan that spoils the output once the run has ended and its folder was made clean again."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        run.register()
        here = os.getcwd()
        wait_until(here, lambda: not os.path.exists(run.control_name), 2.0)
        for name in run.outputs():
            with open(os.path.join(here, name), "w", encoding="ascii") as file:
                file.write("spoilt\n")
        os._exit(0)


def litter(run):
    """Things in the folder and above it that are hard to remove, or dangerous to follow."""
    os.makedirs("deep/er/est")
    for name in ("deep/er/est/file", "-rf", "name with blanks\nand a newline", "g_9.mod"):
        with open(name, "w", encoding="ascii") as file:
            file.write("left behind\n")
    os.mkfifo("pipe")
    os.symlink("/", "root")
    os.symlink("nowhere", "dangling")
    os.chmod("deep/er", 0)


def flood(run):
    line = b"still busy " * 100 + b"\n"
    try:
        for _ in range(32 * 2**20 // len(line)):
            os.write(1, line)
    except OSError:
        pass  # the output is bounded; what comes next has nowhere to go
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def exit_code(run):
    raise SystemExit(3)


def stop_message(run):
    print(" STOP: the stand-in was told to stop")


def escape_message(run):
    os.write(1, " STOP \x1b[31mred\x1b[0m \x07\x00 caf\u00e9 \u202e end\n".encode() + b"\xff\xfe\n")


def wait(run):
    run.announce()
    wait_until(run.place(), lambda: os.path.exists(run.place("release")))


def wait_once(run):
    if run.first_time():
        wait(run)


# -- what happens to files that were written properly -------------------------------------------------------


def _rewrite(name, change):
    """Change the rows of a file, as a list."""
    with open(name, encoding="ascii") as file:
        rows = file.read().splitlines()
    with open(name, "w", encoding="ascii") as file:
        file.write("\n".join(change(rows)) + "\n")


def _replace(row, first, last, text):
    """Another text in some columns of a row."""
    return lambda rows: [*rows[:row], rows[row][:first] + text + rows[row][last:], *rows[row + 1 :]]


def nan_model(run):
    _rewrite(run.last("mod"), _replace(9, 9, 17, "     NaN"))


def nan_profile(run):
    _rewrite(run.last("per"), _replace(9, 19, 33, "           NaN"))


def asterisks(run):
    _rewrite(run.last("mod"), _replace(4, 9, 17, "********"))


def absurd_values(run):
    _rewrite(run.last("mod"), _replace(4, 9, 17, " -5000.0"))


def few_depths(run):
    _rewrite(run.last("mod"), lambda rows: rows[:-1])


def few_wavelengths(run):
    _rewrite(run.last("per"), lambda rows: rows[:-1])


def _shift_log_tau(rows):
    return [rows[0], *(f"{float(row[:8]) + 0.05:8.4f}{row[8:]}" for row in rows[1:])]


def _shift_offsets(rows):
    return [f"{row[:6]} {float(row[7:18]) + 9.0:11.4f}{row[18:]}" for row in rows]


def other_depths(run):
    """Half a step higher."""
    _rewrite(run.last("mod"), _shift_log_tau)


def other_wavelengths(run):
    """Half a sample further."""
    _rewrite(run.last("per"), _shift_offsets)


def partial(run):
    """Cut within a number, as a full disk does."""
    with open(run.last("mod"), "r+b") as file:
        file.truncate(int(0.6 * file.seek(0, 2)))


def huge_output(run):
    """A file that is mostly a hole: as large as the limit allows, at no cost."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    with open(run.last("mod"), "r+b") as file:
        file.truncate(MOST_WRITTEN if limit == resource.RLIM_INFINITY else limit)


def binary_output(run):
    with open(run.last("mod"), "wb") as file:
        file.write(bytes(range(256)) * 20)
    os.write(1, bytes(range(256)))


def no_uncertainties(run):
    os.unlink(run.last("err"))


def symlink_output(run):
    """The right result, but somewhere else: a link that leads out of the folder must not be followed."""
    name = run.last("mod")
    target = run.place("linked.mod")
    with open(name, "rb") as file, open(target, "wb") as copy:
        copy.write(file.read())
    os.unlink(name)
    os.symlink(target, name)


def directory_output(run):
    os.unlink(run.last("mod"))
    os.mkdir(run.last("mod"))


def fifo_output(run):
    """Whoever opens it to read waits for ever."""
    os.unlink(run.last("mod"))
    os.mkfifo(run.last("mod"))


BEFORE = {
    function.__name__: function
    for function in (
        hang,
        hang_ignoring_signals,
        hang_with_children,
        stop_itself,
        burn_cpu,
        nothing,
        stale,
        empty_files,
        fill_disk,
        delete_folder,
        segfault,
        kill_warden,
        hog_memory,
        segfault_once,
        kill_warden_once,
        leave_children,
        late_writer,
        flood,
        wait,
        wait_once,
    )
}
AFTER = {
    function.__name__: function
    for function in (
        nan_model,
        nan_profile,
        partial,
        asterisks,
        few_depths,
        few_wavelengths,
        other_depths,
        other_wavelengths,
        absurd_values,
        huge_output,
        binary_output,
        no_uncertainties,
        symlink_output,
        directory_output,
        fifo_output,
        stop_message,
        escape_message,
        exit_code,
        litter,
    )
}
