// Private to the store: the stretches of time under which leases are filed.
//
// An index by port alone is written all over by leases of automatic ports: each one dirties a page
// of its own, which goes to the disk twice. So the index is by (epoch, port), and only the part of
// the epoch that is filling is written. Epochs follow each other as the openings of their leases
// do, so that a port's leases are in order from epoch to epoch. A question about a port looks into
// each epoch, of which there is one to some ten thousand leases.
#pragma once

#include "store/database.hpp"

#include <cstdint>
#include <vector>

namespace portd::store {

class Epochs {
  public:
    static constexpr std::int64_t leases_an_epoch = 32'768;

    // Reads how far the stored leases go.
    explicit Epochs(Database &database);

    // Of leases with this opened_latest_us.
    std::int64_t epoch_of(std::int64_t opened_us) const;
    // Of a new lease; begins another epoch if the last one is full. Inside the caller's
    // transaction.
    std::int64_t file(std::int64_t opened_us);

    // After a rollback.
    void reload();

  private:
    struct Epoch {
        std::int64_t id = 0;
        std::int64_t since_us = 0;
    };

    Database &database_;
    Statement select_;
    Statement select_extent_;
    Statement insert_;
    std::vector<Epoch> epochs_; // never empty
    std::int64_t filed_ = 0;    // leases in the last epoch
    std::int64_t newest_us_ = 0;
};

} // namespace portd::store
