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

namespace portd::capture {

class NamespaceNames {
  public:
    // Every name of `ip netns` is a mount of its namespace in `folder`, ip-netns(8).
    explicit NamespaceNames(std::uint32_t own_namespace,
                            std::filesystem::path folder = "/run/netns")
        : own_namespace_(own_namespace), folder_(std::move(folder)) {}

    // A process in a container names the namespace in which it takes a port.
    void notice(const model::Observation &observation);
    // Whether a port was taken, since the last look, in a namespace that has no name.
    bool wants_look() const { return wants_look_; }
    // Looks into the folder, at `now`. What is new there came after the look before.
    void look(model::Instant now);

    // The names that are new or changed since the last call.
    std::vector<NamespaceName> take();

  private:
    void learn(std::uint32_t inode, const std::string &name, model::Instant since);

    const std::uint32_t own_namespace_;
    const std::filesystem::path folder_;
    std::map<std::uint32_t, std::string> known_;
    std::vector<NamespaceName> news_;
    std::optional<model::Instant> looked_at_;
    bool wants_look_ = false;
};

} // namespace portd::capture
