// Network namespaces of a scenario.
#pragma once

namespace ground_truth {

// Moves this process into a new network namespace with a loopback device that is up. False where
// that is not permitted.
bool enter_new_network_namespace();
// net.ipv4.ip_local_port_range of the namespace of this process, such as "50000 50000".
void set_local_port_range(const char *range);

} // namespace ground_truth
