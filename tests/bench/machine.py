"""What the figures were found on."""
import os
import platform


def describe():
    """Cores, processor, kernel, memory, and the settings of the system that matter here."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "kernel": platform.release(),
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "load_before": os.getloadavg(),
        "sysctl": {name: sysctl(name) for name in SYSCTLS},
    }


def afterwards():
    """What describe() can't know yet."""
    return {"load_after": os.getloadavg()}


SYSCTLS = (
    "net.core.somaxconn",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)


def processor():
    """Its name, as the kernel has it."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def sysctl(name):
    """A setting of the kernel, None where there is none."""
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return " ".join(file.read().split())
    except OSError:
        return None
