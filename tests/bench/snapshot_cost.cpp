// CPU time of one look at every socket and its holders with the BPF program resident:
//
//   snapshot_cost LOOKS
//
// prints, in microseconds for a look: reading the iterators and understanding all that they give;
// the whole way into the ledger, of which most is known already; the same where nothing may be
// taken as known, as after a loss; and how many leases the ledger then has.
#include "capture/bpf_program.hpp"
#include "capture/ebpf_snapshot.hpp"
#include "capture/namespace_ports.hpp"
#include "model/ledger.hpp"
#include "system/clock.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <variant>

namespace {

using namespace portd;

class Look {
  public:
    Look()
        : ports_(std::get<model::PortPolicy>(model::PortPolicy::parse("all"))),
          program_(ports_, 1 << 20),
          images_(capture::ArgumentPolicy::redacted),
          events_(images_),
          snapshot_(images_, events_, capture::own_network_namespace()) {
        ledger_.set_own_namespace(capture::own_network_namespace());
    }

    void read() {
        using Table = capture::BpfProgram::Table;
        using Rows = capture::BpfProgram::Rows;
        const auto meet_tables = [&](auto records) { snapshot_.meet_tables(records); };
        snapshot_.begin();
        program_.read(Table::tcp, Rows::fileless, meet_tables);
        program_.read(Table::udp, Rows::fileless, meet_tables);
        program_.read(Table::held, Rows::all, [&](auto records) { snapshot_.meet_held(records); });
    }

    // What EbpfSource does in a sample that looks, without the events that are not there.
    void record(bool is_whole) {
        const capture::Sink sink = [this](const model::Observation &observation) {
            ledger_.apply(observation);
        };
        const auto began = clock_.now();
        read();
        snapshot_.start(began, sink);
        snapshot_.finish(clock_.now(), is_whole, sink);
        sink(model::TimePassed{began});
        ledger_.take_changes();
    }

    std::size_t leases() const { return ledger_.open_leases(); }

  private:
    system::SystemClock clock_;
    model::PortPolicy ports_;
    capture::BpfProgram program_;
    capture::ImageTable images_;
    capture::EbpfEvents events_;
    capture::EbpfSnapshot snapshot_;
    model::Ledger ledger_;
};

template <typename Act>
double cpu_us_of(int times, Act act) {
    act(); // buffers grow, leases are made
    act(); // holders are confirmed
    const auto before = system::cpu_time_us();
    for (int i = 0; i < times; ++i)
        act();
    return static_cast<double>(system::cpu_time_us() - before) / times;
}

} // namespace

int main(int argc, char **argv) {
    const int looks = argc == 2 ? std::atoi(argv[1]) : 0;
    if (looks <= 0) {
        std::fprintf(stderr, "usage: snapshot_cost LOOKS\n");
        return 2;
    }
    try {
        Look look;
        const double reading = cpu_us_of(looks, [&] { look.read(); });
        const double whole = cpu_us_of(looks, [&] { look.record(true); });
        const double recording = cpu_us_of(looks, [&] { look.record(false); });
        std::printf("%.0f %.0f %.0f %zu\n", reading, recording, whole, look.leases());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "snapshot_cost: %s\n", error.what());
        return 1;
    }
    return 0;
}
