// What other network namespaces are called: by `ip netns`, or by the container that uses them.
#pragma once

#include "capture/source.hpp"
#include "model/observation.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <time.h>

namespace portd::capture {

class NamespaceNames {
  public:
    // Every name of `ip netns` is a mount of its namespace in `folder`, ip-netns(8).
    explicit NamespaceNames(std::uint32_t own_namespace,
                            std::filesystem::path folder = "/run/netns")
        : own_namespace_(own_namespace), folder_(std::move(folder)) {}

    // A process in a container names the namespace in which it takes a port.
    void notice(const model::Observation &observation);
    // Looks into the folder if it has changed, or a port was taken in a namespace that has no name.
    // A name that is gone is taken back, and one that another namespace has got under the same
    // inode number counts from `now` on: in between it is not known which of them was there.
    void watch(model::Instant now);

    // The names that are new or changed since the last call.
    std::vector<NamespaceName> take();

  private:
    bool has_changed();
    void look(model::Instant now);

    const std::uint32_t own_namespace_;
    const std::filesystem::path folder_;
    std::map<std::uint32_t, std::string> in_folder_;
    std::map<std::uint32_t, std::string> of_containers_;
    std::vector<NamespaceName> news_;
    std::optional<model::Instant> watched_until_;
    timespec modified_{};
    std::map<std::uint32_t, model::Instant> unnamed_; // in which a port was taken, and when first
    bool wants_look_ = false;
};

} // namespace portd::capture
