#include "system/service.hpp"

#include <cstdlib>
#include <systemd/sd-daemon.h>

namespace portd::system {

void notify_ready(const std::string &status) {
    sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void notify_stopping() {
    sd_notify(0, "STOPPING=1");
}

std::vector<NamedDescriptor> received_descriptors() {
    char **names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    std::vector<NamedDescriptor> descriptors;
    for (int i = 0; i < count; ++i) {
        descriptors.push_back({names[i], Fd(SD_LISTEN_FDS_START + i)});
        std::free(names[i]);
    }
    std::free(static_cast<void *>(names));
    return descriptors;
}

// FDPOLL=0: those of BPF objects cannot be watched for a hangup, which would drop them.
void store_descriptors(const std::string &name, const std::vector<int> &descriptors) {
    sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name).c_str(),
                           descriptors.data(), static_cast<unsigned>(descriptors.size()));
}

void forget_descriptors(const std::string &name) {
    sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str());
}

} // namespace portd::system
