package shop;

import java.util.List;

/** Adds up orders. */
public class Ledger {
    private final List<Order> orders;

    public Ledger(List<Order> orders) {
        this.orders = orders;
    }

    /**
     * Returns the sum of all orders.
     */
    public long total(String currency) throws LedgerException {
        long sum = 0;
        for (Order order : orders) {
            if (!order.currency().equals(currency)) {
                throw new LedgerException("mixed currencies");
            }
            sum += amount(order);
        }
        return sum;
    }

    private long amount(Order order) {
        return order.amount();
    }
}
