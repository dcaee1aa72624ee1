#include "name_space.hpp"

#include "truth_log.hpp"

#include <cstring>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ground_truth {

bool enter_new_network_namespace() {
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    refresh_self();
    const int fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    check(ioctl(fd, SIOCGIFFLAGS, &request), "SIOCGIFFLAGS");
    request.ifr_flags |= IFF_UP;
    check(ioctl(fd, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
    close(fd);
    return true;
}

void set_local_port_range(const char *range) {
    const int fd =
        check(open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC), "port range");
    if (write(fd, range, std::strlen(range)) < 0)
        die("write of ip_local_port_range");
    close(fd);
}

} // namespace ground_truth
